#!/usr/bin/env bash
# Captures traffic.pcap: real traffic on the loopback interface of a network namespace of its own (root, iproute2, tcpdump).
# HTTP over IPv4 and IPv6, UDP echoes, pings; then the first echoes once more with 802.1Q tags (the kernel need not
# know VLANs: an AF_PACKET socket listens, tags what it hears, and sends it through the same interface).
set -eu
cd "$(dirname "$0")"
if [ "${1:-}" != --inside ]; then
	exec unshare --net -- "$0" --inside
fi
ip link set lo mtu 1500 up
tcpdump -i lo -U -w traffic.pcap 2>/dev/null &
dump=$!
sleep 1
python3 - <<'PY'
import http.client, http.server, socket, threading, time

class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        # In pieces that fit a segment: loopback would offload a longer write as one frame that no wire carries.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces = [b"bee " * 300] * len(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(sum(map(len, pieces))))
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
            time.sleep(0.002)
    def log_message(self, *args):
        pass

class V6(http.server.HTTPServer):
    address_family = socket.AF_INET6

v4 = http.server.HTTPServer(("0.0.0.0", 8080), Quiet)
v6 = V6(("::1", 8081), Quiet)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 5353))
for server in (v4, v6):
    threading.Thread(target=server.serve_forever, daemon=True).start()

def echo():
    while True:
        data, peer = udp.recvfrom(2000)
        udp.sendto(data[::-1], peer)

threading.Thread(target=echo, daemon=True).start()
for path in ("/", "/flows", "/a/longer/path"):
    conn = http.client.HTTPConnection("127.0.0.1", 8080)
    conn.request("GET", path)
    conn.getresponse().read()
    conn.close()
for path in ("/", "/six"):
    conn = http.client.HTTPConnection("::1", 8081)
    conn.request("GET", path)
    conn.getresponse().read()
    conn.close()
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("lo", 0))
wire.settimeout(0.2)
for n in (10, 100, 1200):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", 5353))
        for _ in range(3):
            sock.send(b"x" * n)
            sock.recv(2000)
heard = []
try:
    while True:
        frame, address = wire.recvfrom(2000)
        if address[2] != 4:  # PACKET_OUTGOING would show each frame twice
            heard.append(frame)
except TimeoutError:
    pass
for vid, frame in zip((100, 100, 200, 200, 200, 200), heard):
    tag = b"\x81\x00" + vid.to_bytes(2, "big")
    outer = b"\x88\xa8\x00\x07" if vid == 200 else b""
    wire.send(frame[:12] + outer + tag + frame[12:])
PY
ping -q -c 2 -i 0.2 127.0.0.1 >/dev/null 2>&1 || true
ping -q -c 2 -i 0.2 ::1 >/dev/null 2>&1 || true
sleep 1
kill $dump
wait $dump 2>/dev/null || true
ls -l traffic.pcap
