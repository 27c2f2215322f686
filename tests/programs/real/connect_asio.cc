/*
 * A Boost.Asio program: connect_asio first|range HOST. Connects to the first address alone, or lets
 * Asio walk the whole answer, and prints what the server says. Asio puts a socket into its epoll
 * set when it is opened, before connect().
 */
#include <boost/asio.hpp>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;

	asio::io_context loop;
	tcp::resolver resolver(loop);
	tcp::socket socket(loop);
	std::string text;
	int status = 1;

	auto on_read = [&](error_code error, std::size_t) {
		if (error == asio::error::eof)
			status = 0;
		else
			std::cout << error.message() << "\n";
		std::cout << text;
	};
	auto on_connect = [&](error_code error) {
		if (error)
			std::cout << error.message() << "\n";
		else
			asio::async_read(socket, asio::dynamic_buffer(text), on_read);
	};
	auto answer = resolver.resolve(argv[2], "7777");
	if (argv[1] == std::string("first"))
		socket.async_connect(answer.begin()->endpoint(), on_connect);
	else
		asio::async_connect(socket, answer, [&](error_code error, const tcp::endpoint &) {
			on_connect(error);
		});
	loop.run();
	return status;
}
