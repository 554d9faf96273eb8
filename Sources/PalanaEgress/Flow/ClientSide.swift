import NIOCore

/// What the way of a request needs of the side that it came from: an HTTP/1.1 connection or one stream of an HTTP/2 connection.
///
/// Contents are given without any framing; the side puts them into its own. Nothing is written before ``flush()``.
protocol ClientSide: AnyObject {
  /// Whether the agent takes bytes; if not, nothing more is read from the upstream.
  var isWritable: Bool { get }
  /// Bytes moved: the time limit of the request begins anew.
  func touch()
  /// What was waited for is there: the body may go on, or the request is over.
  func proceed()
  /// There is room for bytes of the request again.
  func readOn()

  /// The answer comes later, and nothing more is read before it.
  func hold()

  /// The agent may send the body: the gateway itself takes it.
  func sendContinue()
  /// 100 Continue, 103 Early Hints.
  func sendInterim(_ head: ResponseHead)
  func sendHead(_ head: ResponseHead, of exchange: Exchange)
  /// A websocket begins: from here on contents are its bytes.
  func sendSwitch(_ head: ResponseHead, of exchange: Exchange)
  func sendContents(_ contents: ByteBuffer)
  /// Nothing follows the contents but `trailers`. The event of the request is written down after this and before ``flush()``.
  func sendEnd(trailers: HeadFields?)
  func flush()

  /// The response is complete and written down.
  func finish(_ exchange: Exchange)
  /// Answers with a refusal, which is written down already.
  func sendRefusal(_ refusal: Refusal, of exchange: Exchange)
  /// The response cannot be completed: the agent must notice, so nothing ends cleanly.
  func abandon()
  /// Ends the request at once, whatever it is doing.
  func cut(_ reason: EndReason)
}
