# Ways to connect of Ruby programs: connect.rb http|tcp HOST. Prints what the server said.
require 'net/http'
require 'socket'

way, host = ARGV
case way
when 'http' then puts Net::HTTP.get(host, '/')
when 'tcp' then Socket.tcp(host, 7777, connect_timeout: 15) { |socket| puts socket.read }
end
