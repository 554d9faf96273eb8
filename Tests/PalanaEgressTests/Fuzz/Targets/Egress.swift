import Fuzzing

extension FuzzTarget {
  /// Those of the gateway.
  static let egress = [
    authority, target, request, response, basic, hello, placeholder, places, tokens, scrubber, inflater, websocket, websocketScrubber,
    http2Head, http2Frames, http2Answers, packets, dns,
  ]
}
