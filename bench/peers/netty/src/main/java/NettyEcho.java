import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import io.netty.handler.codec.LineBasedFrameDecoder;

/**
 * Echo on Netty with its frame decoders, on one event loop: NettyEcho PORT line uses LineBasedFrameDecoder, NettyEcho
 * PORT len4 LengthFieldBasedFrameDecoder. Answers are flushed once per read.
 */
public final class NettyEcho {
    private static final int MOST = 128 << 20;

    public static void main(String[] args) throws Exception {
        boolean lines = args[1].equals("line");
        EventLoopGroup loop = new NioEventLoopGroup(1);
        new ServerBootstrap().group(loop).channel(NioServerSocketChannel.class).option(ChannelOption.SO_BACKLOG, 4096)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childHandler(new ChannelInitializer<SocketChannel>() {
                @Override
                protected void initChannel(SocketChannel c) {
                    // Neither decoder strips what frames the message: the frame is sent back as it is.
                    c.pipeline().addLast(lines ? new LineBasedFrameDecoder(MOST, false, true)
                        : new LengthFieldBasedFrameDecoder(MOST, 0, 4), new Echo());
                }
            }).bind("127.0.0.1", Integer.parseInt(args[0])).sync().channel().closeFuture().sync();
    }

    private static final class Echo extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext c, Object frame) {
            c.write(frame, c.voidPromise());
        }

        @Override
        public void channelReadComplete(ChannelHandlerContext c) {
            c.flush();
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext c, Throwable e) {
            c.close();
        }
    }
}
