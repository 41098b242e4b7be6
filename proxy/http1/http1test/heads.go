package http1test

// Browser is the head of a request as browsers send it.
const Browser = "GET /api/v1/items?page=2&sort=name HTTP/1.1\r\n" +
	"Host: shop.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Connection: keep-alive\r\n" +
	"X-Api-Key: 0123456789abcdef0123456789abcdef\r\n" +
	"Cookie: session=abcdefghijklmnopqrstuvwxyz; theme=dark\r\n" +
	"Sec-Fetch-Mode: navigate\r\n\r\n"

// Nginx is the head of a response as nginx sends it.
const Nginx = "HTTP/1.1 200 OK\r\n" +
	"Server: nginx\r\n" +
	"Date: Sat, 01 Aug 2026 10:00:00 GMT\r\n" +
	"Content-Type: text/html\r\n" +
	"Content-Length: 12\r\n" +
	"Last-Modified: Sat, 01 Aug 2026 10:00:00 GMT\r\n" +
	"Connection: keep-alive\r\n" +
	"Keep-Alive: timeout=5\r\n" +
	"ETag: \"66ab5f00-c\"\r\n" +
	"Vary: Accept-Encoding\r\n" +
	"Accept-Ranges: bytes\r\n\r\n"
