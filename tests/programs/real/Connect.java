import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.HashMap;
import java.util.Map;

/** Ways to connect of Java programs: Connect WAY HOST [COUNT]. Prints what the server said. */
final class Connect {
	private static final int GREETING = 7777;
	private static final int TIMEOUT_MS = 15000;

	private Connect() {}

	public static void main(String[] args) throws Exception {
		String host = args[1];
		int count = args.length > 2 ? Integer.parseInt(args[2]) : 1;
		Map<String, Integer> said = new HashMap<>();

		switch (args[0]) {
		case "socket": said.put(socket(host), 1); break;
		case "client": said.put(client(host), 1); break;
		case "url": said.put(url(host), 1); break;
		case "nio_before": nio(host, count, true, said); break;
		case "nio_after": nio(host, count, false, said); break;
		default: throw new IllegalArgumentException(args[0]);
		}
		said.forEach((text, times) -> System.out.println(times + " x " + text.trim()));
	}

	private static String socket(String host) throws IOException {
		try (Socket socket = new Socket()) {
			socket.connect(new InetSocketAddress(host, GREETING), TIMEOUT_MS);
			return new String(socket.getInputStream().readAllBytes());
		}
	}

	private static String client(String host) throws Exception {
		HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + host + "/")).build();
		return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()
			.send(request, HttpResponse.BodyHandlers.ofString()).body();
	}

	private static String url(String host) throws IOException {
		try (InputStream in = new URL("http://" + host + "/").openStream()) {
			return new String(in.readAllBytes());
		}
	}

	/** The channels are registered with the selector before their connect(), or after it. */
	private static void nio(String host, int count, boolean before, Map<String, Integer> said)
		throws IOException {
		InetSocketAddress address = new InetSocketAddress(host, GREETING);
		Selector selector = Selector.open();

		for (int i = 0; i < count; i++) {
			SocketChannel channel = SocketChannel.open();
			channel.configureBlocking(false);
			StringBuilder text = new StringBuilder();
			if (before)
				channel.register(selector, SelectionKey.OP_CONNECT, text);
			channel.connect(address);
			if (!before)
				channel.register(selector, SelectionKey.OP_CONNECT, text);
		}
		ByteBuffer buffer = ByteBuffer.allocate(1000);
		for (int left = count; left > 0;) {
			selector.select();
			for (SelectionKey key : selector.selectedKeys()) {
				SocketChannel channel = (SocketChannel) key.channel();
				if (key.isConnectable() && channel.finishConnect()) {
					key.interestOps(SelectionKey.OP_READ);
				} else if (key.isReadable()) {
					buffer.clear();
					if (channel.read(buffer) >= 0) {
						StringBuilder text = (StringBuilder) key.attachment();
						text.append(new String(buffer.array(), 0, buffer.position()));
						continue;
					}
					channel.close();
					said.merge(key.attachment().toString(), 1, Integer::sum);
					left--;
				}
			}
			selector.selectedKeys().clear();
		}
	}
}
