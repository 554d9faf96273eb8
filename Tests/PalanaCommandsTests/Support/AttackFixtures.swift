extension Fixtures {
  /// One case broken, with what a hostile answer could hold, two held, one not applicable.
  static let attacked = """
    {"family":"around","name":"tcp-metadata","claim":"No TCP connection leaves beside the gateway.","verdict":"broken","sent":"a TCP connection to 169.254.169.254:80","came":"HTTP/1.0 200 \\u001b]0;owned\\u0007 (212 bytes)","advice":"there is a way beside the gateway; look at the firewall","of":4}
    {"family":"names","name":"connect-plain","claim":"It is refused.","verdict":"held","sent":"CONNECT palana-attack-0123abcd.invalid:443","came":"HTTP/1.1 403 Forbidden (host_not_allowed) (230 bytes)","of":4}
    {"family":"addresses","name":"connect-loopback","claim":"It is not dialled.","verdict":"notApplicable","sent":"CONNECT 127.0.0.1:80","came":"a rule lets the agent reach 127.0.0.1:80","of":4}
    {"family":"names","name":"connect-port-0","claim":"It is refused.","verdict":"held","sent":"CONNECT palana-attack-0123abcd.invalid:0","came":"HTTP/1.1 400 Bad Request (malformed_request) (210 bytes)","of":4}

    """
}
