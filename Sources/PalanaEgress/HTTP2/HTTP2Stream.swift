import NIOCore
import NIOHPACK
import NIOHTTP2

/// One stream of an HTTP/2 connection: the accounting that both roles share. What a role does with frames is in its subclass.
class HTTP2Stream {
  let id: HTTP2StreamID
  let connection: HTTP2Connection
  /// Bytes of contents given to the connection that did not leave yet.
  var waiting = 0
  /// Bytes received that did not go on yet: as long as they stay, the window stays closed by so much.
  var uncredited = 0
  /// Bytes that went on and that the other side was not told of yet.
  var owed = 0
  /// The other side sends nothing more.
  var isRemoteDone = false
  var isClosed = false
  /// The other side did not look at it: the request may be sent again.
  var wasRefused = false
  /// Somebody waits until it can take bytes again.
  var isHeldBack = false
  var isTouched = false
  var isEasing = false

  init(id: HTTP2StreamID, connection: HTTP2Connection) {
    self.id = id
    self.connection = connection
  }

  /// Whether it takes more contents. When not, ``canTakeMore()`` follows.
  var isWritable: Bool {
    if waiting < HTTP2Bounds.streamWaiting, connection.isWritable(for: self) { return true }
    isHeldBack = true
    return false
  }

  func headers(_ headers: HPACKHeaders, endsStream: Bool) {}
  func contents(_ contents: ByteBuffer, endsStream: Bool) {}
  /// Everything that came with one read was given.
  func readComplete() {}
  func canTakeMore() {}
  func closed(_ reason: HTTP2ErrorCode?) {}
}
