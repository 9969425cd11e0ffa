import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.*;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import java.net.InetSocketAddress;

/** An echo of whole frames. Arguments: largest frame, offset, length of the size, adjustment. */
public class FrameNetty {
    public static void main(String[] args) throws Exception {
        int max = Integer.parseInt(args[0]), offset = Integer.parseInt(args[1]), length = Integer.parseInt(args[2]), adjust = Integer.parseInt(args[3]);
        ServerBootstrap b = new ServerBootstrap().group(new NioEventLoopGroup(1)).channel(NioServerSocketChannel.class)
            .childHandler(new ChannelInitializer<SocketChannel>() {
                protected void initChannel(SocketChannel ch) {
                    ch.pipeline().addLast(new LengthFieldBasedFrameDecoder(max, offset, length, adjust, 0), new ChannelInboundHandlerAdapter() {
                        public void channelRead(ChannelHandlerContext ctx, Object frame) { ctx.writeAndFlush(frame); }
                        public void exceptionCaught(ChannelHandlerContext ctx, Throwable e) { } // a frame is lost, the next one is read
                    });
                }
            });
        Channel c = b.bind("127.0.0.1", 0).sync().channel();
        System.out.println(((InetSocketAddress) c.localAddress()).getPort());
        System.out.flush();
        c.closeFuture().sync();
    }
}
