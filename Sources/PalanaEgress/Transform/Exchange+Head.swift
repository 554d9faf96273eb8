import NIOCore

extension Exchange {
  /// Notes what a request head says about the message itself.
  func take(_ head: RequestHead) {
    method = head.fields.text(head.method)
    minorVersion = head.minorVersion
    keepsAlive = head.keepsAlive
    isHeadRequest = method == "HEAD"
    hasBody = head.framing != .none && head.framing != .length(0)
    isRequestWhole = !hasBody
    if head.minorVersion == 0 { proto = "http/1.0" }
  }
}
