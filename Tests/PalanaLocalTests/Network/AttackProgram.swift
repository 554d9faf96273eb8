/// A hostile agent that is root inside its own namespace, with raw sockets, together with the observers that see whether anything
/// arrives: every UDP port of the host, the host's listeners, the bridge, and another agent's link.
///
/// Argument: a JSON object. Prints a JSON object: for each attack `blocked`, or who was reached.
enum AttackProgram {
  static let text = #"""
    import ctypes, errno, json, os, re, socket, struct, subprocess, sys
    setup = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)

    def inside(path, make):
        there = os.open(path, os.O_RDONLY)
        assert libc.setns(there, 0x40000000) == 0
        try:
            return make()
        finally:
            assert libc.setns(home, 0x40000000) == 0
            os.close(there)

    def packet_socket(interface):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((interface, 0))
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        return s

    def mac(text): return bytes.fromhex(text.replace(":", ""))
    def ip(text): return socket.inet_aton(text)
    A, B, GW = setup["a"], setup["b"], setup["gateway"]
    MA, MB, MGW = mac(setup["macA"]), mac(setup["macB"]), mac(setup["macGateway"])
    HOST = setup["host"]

    # Observers.
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("0.0.0.0", 0)); udp.setblocking(False)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    P = udp.getsockname()[1]
    udp6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); udp6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    udp6.bind(("::", P)); udp6.setblocking(False)
    tcp = socket.socket(); tcp.bind(("0.0.0.0", 0)); tcp.listen(64); tcp.setblocking(False)
    Q = tcp.getsockname()[1]
    local = socket.socket(); local.bind(("127.0.0.1", 0)); local.listen(64); local.setblocking(False)
    L = local.getsockname()[1]
    neighbour = inside(setup["pathB"], lambda: packet_socket("eth0"))
    bridge = packet_socket(setup["bridge"])
    victim = inside(setup["pathB"], lambda: socket.create_server(("0.0.0.0", 0)))
    victim.setblocking(False)
    V = victim.getsockname()[1]
    raw = inside(setup["pathA"], lambda: packet_socket("eth0"))

    def checksum(data):
        if len(data) % 2: data += b"\0"
        total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
        while total >> 16: total = (total & 0xffff) + (total >> 16)
        return ~total & 0xffff

    def ipv4(source, destination, protocol, payload, options=b"", fragment=0, identity=7):
        words = 5 + len(options) // 4
        head = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(payload), identity, fragment, 64, protocol, 0,
                           ip(source), ip(destination)) + options
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload

    def datagram(port, payload): return struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload

    def syn(source, destination, port, source_port=41000, flags=2):
        head = struct.pack("!HHIIBBHHH", source_port, port, 1, 1 if flags & 16 else 0, 0x50, flags, 64000, 0, 0)
        pseudo = ip(source) + ip(destination) + struct.pack("!BBH", 0, 6, len(head))
        return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]

    def eth(destination, source, kind, payload): return destination + source + struct.pack("!H", kind) + payload
    def mark(name): return b"ATTACK<" + name.encode() + b">"

    def arp(operation, sender_mac, sender_ip, target_mac, target_ip, name):
        return struct.pack("!HHBBH", 1, 0x800, 6, 4, operation) + sender_mac + ip(sender_ip) + target_mac + ip(target_ip) \
            + mark(name)

    EVERYONE = b"\xff" * 6
    frames = {}
    def add(name, frame): frames[name] = frame(name)
    def plain(source_mac, source, destination, destination_mac=MGW):
        return lambda n: eth(destination_mac, source_mac, 0x800, ipv4(source, destination, 17, datagram(P, mark(n))))

    add("udp to the gateway", plain(MA, A, GW))
    add("udp to another address of the host", plain(MA, A, HOST))
    add("udp to the host's loopback", plain(MA, A, "127.0.0.1"))
    add("dns to the gateway", lambda n: eth(MGW, MA, 0x800, ipv4(A, GW, 17, datagram(53, mark(n)))))
    add("udp beyond the host", plain(MA, A, "198.51.100.7"))
    add("spoofed address of another agent", plain(MA, B, GW))
    add("spoofed address of nobody", plain(MA, setup["nobody"], GW))
    add("spoofed address of the gateway", plain(MA, GW, GW))
    add("spoofed address of the host", plain(MA, HOST, GW))
    add("spoofed loopback address", plain(MA, "127.0.0.1", GW))
    add("spoofed address beyond the host", plain(MA, "198.51.100.7", GW))
    add("no source address", plain(MA, "0.0.0.0", GW))
    add("spoofed hardware address", plain(mac("02:50:de:ad:be:ef"), A, GW))
    add("another agent's hardware address", plain(MB, A, GW))
    add("all of another agent", plain(MB, B, GW))
    add("the gateway's hardware address", plain(MGW, A, GW))
    add("straight to another agent", plain(MA, A, B, MB))
    add("another agent by the gateway", plain(MA, A, B))
    add("broadcast", plain(MA, A, "255.255.255.255", EVERYONE))
    add("broadcast of the subnet", plain(MA, A, setup["broadcast"], EVERYONE))
    add("broadcast frame to the gateway", plain(MA, A, GW, EVERYONE))
    add("multicast", plain(MA, A, "224.0.0.251", mac("01:00:5e:00:00:fb")))
    add("dhcp", lambda n: eth(EVERYONE, MA, 0x800, ipv4("0.0.0.0", "255.255.255.255", 17, datagram(67, mark(n)))))
    add("arp: i am the gateway", lambda n: eth(EVERYONE, MA, 0x806, arp(2, MA, GW, EVERYONE, B, n)))
    add("arp: i am the gateway, to the agent", lambda n: eth(MB, MA, 0x806, arp(2, MA, GW, MB, B, n)))
    add("arp: i am the other agent", lambda n: eth(MGW, MA, 0x806, arp(2, MA, B, MGW, GW, n)))
    add("arp: the other agent is someone", lambda n: eth(MGW, MB, 0x806, arp(2, MB, B, MGW, GW, n)))
    add("arp: who is the other agent", lambda n: eth(EVERYONE, MA, 0x806, arp(1, MA, B, EVERYONE, B, n)))
    add("arp: of another protocol", lambda n: eth(EVERYONE, MA, 0x806, struct.pack("!HHBBH", 6, 0x86dd, 8, 16, 1)
        + bytes(48) + mark(n)))
    six = lambda n, to: struct.pack("!IHBB", 6 << 28, 8 + len(mark(n)), 17, 64) + socket.inet_pton(10, "fe80::66") \
        + socket.inet_pton(10, to) + datagram(P, mark(n))
    add("ipv6 multicast", lambda n: eth(mac("33:33:00:00:00:01"), MA, 0x86dd, six(n, "ff02::1")))
    add("ipv6 to the host", lambda n: eth(MGW, MA, 0x86dd, six(n, setup["host6"])))
    add("vlan", lambda n: eth(MGW, MA, 0x8100, struct.pack("!HH", 7, 0x800) + ipv4(A, GW, 17, datagram(P, mark(n)))))
    add("vlan zero", lambda n: eth(MGW, MA, 0x8100, struct.pack("!HH", 0, 0x800) + ipv4(A, GW, 17, datagram(P, mark(n)))))
    add("vlan to the agent", lambda n: eth(MB, MA, 0x8100, struct.pack("!HH", 0, 0x800) + ipv4(A, B, 17, datagram(P, mark(n)))))
    add("double vlan", lambda n: eth(MGW, MA, 0x88a8, struct.pack("!HHHH", 7, 0x8100, 7, 0x800)
        + ipv4(A, GW, 17, datagram(P, mark(n)))))
    add("pppoe", lambda n: eth(MGW, MA, 0x8864, b"\x11\0\0\1\0\x40\0\x21" + ipv4(A, GW, 17, datagram(P, mark(n)))))
    add("an unknown frame", lambda n: eth(EVERYONE, MA, 0x88b5, mark(n)))
    for last in range(16):
        group = mac("01:80:c2:00:00:%02x" % last)
        add("reserved group %x" % last, plain(MA, A, GW, group))
        add("reserved group %x as another" % last, plain(MA, B, HOST, group))
        add("reserved group %x tcp" % last, lambda n: eth(group, MA, 0x800, ipv4(A, HOST, 6, syn(A, HOST, Q))))
        add("reserved group %x arp" % last, lambda n: eth(group, MA, 0x806, arp(2, MA, B, MGW, GW, n)))
    # Whether they are put together before the bridge's observer sees them depends on who else tracks connections on this machine, so
    # each carries a whole mark.
    body = datagram(P, mark("fragments").ljust(32) + mark("fragments, the second"))
    add("fragments", lambda n: eth(MGW, MA, 0x800, ipv4(A, GW, 17, body[:40], fragment=0x2000)))
    add("fragments, the second", lambda n: eth(MGW, MA, 0x800, ipv4(A, GW, 17, body[40:], fragment=5)))
    add("source route", lambda n: eth(MGW, MA, 0x800, ipv4(A, GW, 17, datagram(P, mark(n)), b"\x83\7\4" + ip(B) + b"\0")))
    add("icmp redirect", lambda n: eth(MGW, MA, 0x800, ipv4(A, GW, 1, b"\5\1\0\0" + ip(A) + ipv4(GW, B, 17, mark(n)))))
    for protocol in (2, 41, 47, 50, 132):
        add("protocol %d" % protocol, lambda n: eth(MGW, MA, 0x800, ipv4(A, GW, protocol, mark(n))))
    add("syn of a spoofed agent", lambda n: eth(MGW, MA, 0x800, ipv4(B, GW, 6, syn(B, GW, setup["port"]))))
    add("syn to loopback", lambda n: eth(MGW, MA, 0x800, ipv4(A, "127.0.0.1", 6, syn(A, "127.0.0.1", L))))
    add("syn to the agent", lambda n: eth(MGW, MA, 0x800, ipv4(A, B, 6, syn(A, B, V))))
    add("syn to the agent as the gateway", lambda n: eth(MB, MA, 0x800, ipv4(GW, B, 6, syn(GW, B, V, setup["port"]))))
    add("ack to the agent", lambda n: eth(MGW, MA, 0x800, ipv4(A, B, 6, syn(A, B, V, flags=16))))

    for frame in frames.values():
        raw.send(frame.ljust(60, b"\0"))
    # Echo requests, whose answer would come back to the attacker.
    ping = b"\x08\0\0\0\0\1\0\1" + mark("ping")
    ping = ping[:2] + struct.pack("!H", checksum(ping)) + ping[4:]
    raw.send(eth(MGW, MA, 0x800, ipv4(A, GW, 1, ping)))
    raw.send(eth(MGW, MA, 0x800, ipv4(A, HOST, 1, ping)))

    def reach(address, port, path, family=socket.AF_INET):
        s = inside(path, lambda: socket.socket(family))
        s.settimeout(0.4)
        try:
            s.connect((address, port))
            return s.recv(200).decode() or "closed"
        except socket.timeout: return "timeout"
        except OSError as error: return errno.errorcode.get(error.errno, str(error))
        finally: s.close()

    # The good connections come last: when they are through, everything before them was judged.
    control = {"a": reach(GW, setup["port"], setup["pathA"]), "b": reach(GW, setup["port"], setup["pathB"])}

    reached = {}
    def note(data, who):
        for name in re.findall(b"ATTACK<([^>]*)>", data): reached.setdefault(name.decode(), set()).add(who)
    def drain(s, who, take):
        while True:
            try: take(*s.recvfrom(65536), who)
            except BlockingIOError: return
    for s in (udp, udp6): drain(s, "host", lambda data, source, who: note(data, who))
    from_neighbour = [0]
    def seen(data, source, who):
        if source[2] == 4: return
        note(data, who)
        if who == "agent" and data[12:14] == b"\x08\x06": reached.setdefault("arp", set()).add(who)
        if who == "agent" and data[6:12] != MGW: reached.setdefault("a frame not of the gateway", set()).add(who)
        if who == "agent": from_neighbour[0] += 1
    drain(neighbour, "agent", seen)
    drain(bridge, "bridge", seen)
    def answers(data, source, who):
        if source[2] != 4 and b"ATTACK<ping>" in data: reached.setdefault("ping", set()).add("answer")
    drain(raw, "answer", answers)
    for s, who in ((tcp, "host tcp"), (local, "host loopback"), (victim, "agent tcp")):
        try:
            s.accept(); reached.setdefault(who, set()).add("accepted")
        except BlockingIOError: pass
    # A connection of a listener that was only begun shows up here.
    for line in open("/proc/net/tcp"):
        fields = line.split()
        if fields[3] == "03": reached.setdefault("half open", set()).add(fields[2])

    sockets = {}
    for name, address, port in (
        ("tcp to another port of the gateway", GW, Q), ("tcp to another agent", B, V), ("tcp to the host", HOST, Q),
        ("tcp beyond the host", "198.51.100.7", 443), ("tcp to own loopback", "127.0.0.1", L)):
        sockets[name] = reach(address, port, setup["pathA"])
    sockets["ipv6 to the host"] = reach(setup["host6"], Q, setup["pathA"], socket.AF_INET6)
    sockets["ipv6 to own loopback"] = reach("::1", Q, setup["pathA"], socket.AF_INET6)
    # As root the agent may give itself routes.
    subprocess.run(["nsenter", "--net=" + setup["pathA"], "ip", "route", "replace", "default", "via", GW, "dev", "eth0"], check=True)
    for name, address, port in (
        ("routed: tcp to another agent", B, V), ("routed: tcp to the host", HOST, Q), ("routed: tcp to the host, gateway's port", HOST, setup["port"]),
        ("routed: tcp beyond the host", "198.51.100.7", 443)):
        sockets[name] = reach(address, port, setup["pathA"])
    for s, who in ((tcp, "host tcp"), (local, "host loopback"), (victim, "agent tcp")):
        try:
            s.accept(); reached.setdefault(who, set()).add("accepted")
        except BlockingIOError: pass
    print(json.dumps({
        "attacks": {name: "blocked" if name not in reached else ",".join(sorted(reached[name])) for name in frames},
        "others": {name: ",".join(sorted(who)) for name, who in reached.items() if name not in frames},
        "sockets": sockets, "control": control, "neighbourFrames": from_neighbour[0]}))
    """#
}
