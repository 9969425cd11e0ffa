// Raw TCP byte echo on one level-triggered epoll loop: the syscall floor that
// every framed server is compared with. No framing, no allocation per message.
//
//   echo_epoll PORT            echo every byte
//   echo_epoll PORT blob BUF   read frames of a 4-byte big-endian length and
//                              that many bytes, answer each with its last byte;
//                              the payload lands in a buffer of BUF bytes that
//                              is reused (BUF >= the frame: assembled whole)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAXEV = 512, CHUNK = 256 * 1024 };

struct conn {
	int fd;
	char *pend; // bytes the socket did not take yet
	size_t off, len;
	unsigned char head[4]; // blob mode: the frame's length so far
	int nhead;
	size_t left, pos;
};

static char buf[CHUNK];
static char *sink;
static size_t sink_len;

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void watch(int ep, int op, struct conn *c, unsigned events) {
	struct epoll_event ev = {.events = events, .data.ptr = c};
	if (epoll_ctl(ep, op, c->fd, &ev) < 0)
		die("epoll_ctl");
}

static void drop(struct conn *c) {
	close(c->fd);
	free(c->pend);
	free(c);
}

// 0: all sent, 1: the rest is kept for EPOLLOUT, -1: broken
static int push(struct conn *c, const char *p, size_t n) {
	ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
	if (w < 0 && errno != EAGAIN)
		return -1;
	if (w < 0)
		w = 0;
	if ((size_t)w == n)
		return 0;
	c->pend = malloc(n - w);
	memcpy(c->pend, p + w, n - w);
	c->off = 0;
	c->len = n - w;
	return 1;
}

static void echo(int ep, struct conn *c, unsigned events) {
	if (c->pend) {
		if (!(events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
			return;
		ssize_t w = send(c->fd, c->pend + c->off, c->len, MSG_NOSIGNAL);
		if (w < 0 && errno == EAGAIN)
			return;
		if (w < 0) {
			drop(c);
			return;
		}
		c->off += w;
		c->len -= w;
		if (c->len)
			return;
		free(c->pend);
		c->pend = NULL;
		watch(ep, EPOLL_CTL_MOD, c, EPOLLIN);
		return;
	}
	ssize_t n = recv(c->fd, buf, sizeof buf, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	int r = n <= 0 ? -1 : push(c, buf, n);
	if (r < 0)
		drop(c);
	else if (r)
		watch(ep, EPOLL_CTL_MOD, c, EPOLLOUT);
}

static void blob(struct conn *c) {
	for (int turn = 0; turn < 64; turn++) {
		if (c->left == 0) {
			ssize_t n = recv(c->fd, c->head + c->nhead, 4 - c->nhead, 0);
			if (n < 0 && errno == EAGAIN)
				return;
			if (n <= 0) {
				drop(c);
				return;
			}
			if ((c->nhead += n) < 4)
				continue;
			c->nhead = 0;
			c->left = (size_t)c->head[0] << 24 | c->head[1] << 16 | c->head[2] << 8 | c->head[3];
			c->pos = 0;
			continue;
		}
		if (c->pos == sink_len)
			c->pos = 0;
		size_t room = sink_len - c->pos;
		if (room > c->left)
			room = c->left;
		ssize_t n = recv(c->fd, sink + c->pos, room, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			drop(c);
			return;
		}
		c->left -= n;
		c->pos += n;
		if (c->left == 0 && send(c->fd, sink + c->pos - 1, 1, MSG_NOSIGNAL) != 1) {
			drop(c);
			return;
		}
	}
}

int main(int argc, char **argv) {
	if (argc < 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	int is_blob = argc > 3 && !strcmp(argv[2], "blob");
	if (is_blob) {
		sink_len = strtoull(argv[3], NULL, 10);
		sink = malloc(sink_len);
		memset(sink, 0, sink_len);
	}
	int ls = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(ls, (void *)&a, sizeof a) || listen(ls, 4096))
		die("listen");
	int ep = epoll_create1(0);
	struct conn *lc = calloc(1, sizeof *lc);
	lc->fd = ls;
	watch(ep, EPOLL_CTL_ADD, lc, EPOLLIN);
	struct epoll_event evs[MAXEV];
	for (;;) {
		int n = epoll_wait(ep, evs, MAXEV, -1);
		for (int i = 0; i < n; i++) {
			struct conn *c = evs[i].data.ptr;
			if (c == lc) {
				int fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK);
				if (fd < 0)
					continue;
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				struct conn *nc = calloc(1, sizeof *nc);
				nc->fd = fd;
				watch(ep, EPOLL_CTL_ADD, nc, EPOLLIN);
			} else if (is_blob)
				blob(c);
			else
				echo(ep, c, evs[i].events);
		}
	}
}
