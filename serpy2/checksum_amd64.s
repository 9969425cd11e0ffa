#include "textflag.h"

// func sumAVX2(p *byte, n int) uint32
//
// VPSADBW with zero adds up each 8 bytes into 64 bits, which can't overflow.
// Four sums, Y1 to Y4, do not wait for each other.
TEXT ·sumAVX2(SB), NOSPLIT, $0-20
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	SUBQ $128, CX
	JB rest

loop128:
	VPSADBW (SI), Y0, Y5
	VPSADBW 32(SI), Y0, Y6
	VPSADBW 64(SI), Y0, Y7
	VPSADBW 96(SI), Y0, Y8
	VPADDQ Y5, Y1, Y1
	VPADDQ Y6, Y2, Y2
	VPADDQ Y7, Y3, Y3
	VPADDQ Y8, Y4, Y4
	ADDQ $128, SI
	SUBQ $128, CX
	JAE loop128

rest:
	ADDQ $128, CX
	JZ total

loop32:
	VPSADBW (SI), Y0, Y5
	VPADDQ Y5, Y1, Y1
	ADDQ $32, SI
	SUBQ $32, CX
	JNZ loop32

total:
	VPADDQ Y2, Y1, Y1
	VPADDQ Y4, Y3, Y3
	VPADDQ Y3, Y1, Y1
	VEXTRACTI128 $1, Y1, X2
	VPADDQ X2, X1, X1
	VPSRLDQ $8, X1, X2
	VPADDQ X2, X1, X1
	VMOVQ X1, AX
	VZEROUPPER
	MOVL AX, ret+16(FP)
	RET
