import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/** Netty over NIO, with its own resolver: ConnectNetty HOST. Prints what the server said. */
final class ConnectNetty {
	private ConnectNetty() {}

	public static void main(String[] args) throws Exception {
		StringBuilder text = new StringBuilder();
		NioEventLoopGroup group = new NioEventLoopGroup(1);
		try {
			greeting(args[0], group, text);
		} finally {
			group.shutdownGracefully(0, 0, TimeUnit.SECONDS);
		}
		System.out.print(text);
	}

	private static void greeting(String host, NioEventLoopGroup group, StringBuilder text)
		throws InterruptedException {
		new Bootstrap().group(group).channel(NioSocketChannel.class)
			.handler(new SimpleChannelInboundHandler<ByteBuf>() {
				@Override
				protected void channelRead0(ChannelHandlerContext context, ByteBuf data) {
					text.append(data.toString(StandardCharsets.US_ASCII));
				}
			})
			.connect(host, 7777).sync().channel().closeFuture().sync();
	}
}
