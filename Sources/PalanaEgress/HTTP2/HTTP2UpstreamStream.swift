import NIOCore
import NIOHPACK
import NIOHTTP2
import PalanaPolicy

/// One request to an upstream over HTTP/2.
final class HTTP2UpstreamStream: HTTP2Stream, UpstreamSide {
  let key: UpstreamKey
  private let loop: LoopContext
  private var user: RequestFlow?
  private var isHeadRequest = false
  private var hasHead = false
  private var expected: Int64?
  private var received: Int64 = 0
  /// Answered or given up: what still comes means nothing.
  private var isOver = false
  /// Contents that are not written yet, so that the last ones carry the end.
  private var outContents: ByteBuffer?
  private var isEnding = false
  private var hasEnded = false
  private static let frameSize = 16_384

  init(id: HTTP2StreamID, connection: HTTP2Connection, key: UpstreamKey, loop: LoopContext) {
    self.key = key
    self.loop = loop
    super.init(id: id, connection: connection)
  }

  // MARK: UpstreamSide

  var isUsable: Bool { false }
  var isReused: Bool { true }
  var tellsUnprocessed: Bool { true }
  var bufferedBytes: Int { waiting + uncredited + (outContents?.readableBytes ?? 0) }

  func begin(for user: RequestFlow, isHeadRequest: Bool, isChunked: Bool) {
    self.user = user
    self.isHeadRequest = isHeadRequest
  }

  func sendHead(_ head: ByteBuffer) {
    // The gateway has written the head itself: reading it back cannot fail.
    guard let request = try? RequestHead(head, limits: Self.unlimited) else { return abort() }
    hasEnded = request.framing == .none || request.framing == .length(0)
    connection.send(
      HTTP2Fields.request(request, scheme: "https", acceptsTrailers: user?.exchange?.acceptsTrailers ?? false),
      endsStream: hasEnded, on: self)
  }

  private static let unlimited: EgressLimits = {
    var limits = EgressLimits()
    limits.headerFields = .max
    limits.requestLineBytes = .max
    return limits
  }()

  func sendContents(_ contents: ByteBuffer) {
    guard contents.readableBytes > 0, !hasEnded else { return }
    if let count = outContents?.readableBytes {
      if count + contents.readableBytes <= Self.frameSize {
        outContents?.writeImmutableBuffer(contents)
        return
      }
      writeContents(endsStream: false)
    }
    outContents = contents
  }

  func sendEnd(trailers: HeadFields?) {
    guard !hasEnded else { return }
    if let headers = trailers.map(HTTP2Fields.trailers), !headers.isEmpty {
      writeContents(endsStream: false)
      hasEnded = true
      connection.send(headers, endsStream: true, on: self)
    } else {
      isEnding = true
    }
  }

  func flush() {
    guard !isClosed else { return }
    if outContents != nil {
      writeContents(endsStream: isEnding)
    } else if isEnding {
      connection.send(ByteBuffer(), endsStream: true, on: self)
    }
    if isEnding {
      isEnding = false
      hasEnded = true
    }
    connection.flush()
  }

  private func writeContents(endsStream: Bool) {
    guard let contents = outContents, !isClosed else { return }
    outContents = nil
    connection.send(contents, endsStream: endsStream, on: self)
  }

  func resumeReading() { connection.release(self) }
  func becomeRaw() {}
  func release() { abort() }
  func closeGracefully() { abort() }
  func finishRelay() { abort() }

  func abort() {
    user = nil
    isOver = true
    outContents = nil
    connection.release(self)
    if !isRemoteDone || !hasEnded { connection.reset(self, .cancel) }
  }

  // MARK: The response

  override func headers(_ headers: HPACKHeaders, endsStream: Bool) {
    guard !isOver else { return }
    if endsStream { isRemoteDone = true }
    do throws(HeadError) {
      guard !hasHead else {
        guard endsStream else { throw .malformed("there is a second head in the middle of a response") }
        return finish(trailers: try HTTP2Fields.trailers(headers, limits: loop.shared.limits))
      }
      let bytes = try HTTP2ResponseHead.bytes(headers, limits: loop.shared.limits)
      let head = try ResponseHead(bytes, isHead: isHeadRequest, limits: loop.shared.limits)
      guard head.status >= 200 else {
        guard head.status != 101, !endsStream else { throw .malformed("an interim response is the last one") }
        user?.upstreamInterim(head)
        return
      }
      hasHead = true
      switch head.framing {
      case .length(let count): expected = count
      case .none: expected = 0
      case .chunked, .untilClose: break
      }
      user?.upstreamHead(head)
      if endsStream { finish(trailers: nil) }
    } catch {
      refuse(error)
    }
  }

  override func contents(_ contents: ByteBuffer, endsStream: Bool) {
    guard !isOver else { return connection.release(self) }
    received += Int64(contents.readableBytes)
    guard hasHead, received <= expected ?? .max else {
      return refuse(.malformed(hasHead ? "the body is longer than was said" : "there is a body before the head"))
    }
    if contents.readableBytes > 0 { user?.upstreamContents(contents) }
    if endsStream { finish(trailers: nil) }
    if isOver || user?.canTakeResponse == true { connection.release(self) }
  }

  private func finish(trailers: HeadFields?) {
    guard !isOver else { return }
    guard expected == nil || received == expected else { return refuse(.malformed("the body is shorter than was said")) }
    isOver = true
    let user = self.user
    self.user = nil
    user?.upstreamEnded(self, trailers: trailers)
    if !hasEnded { connection.reset(self, .cancel) }
  }

  override func readComplete() { user?.upstreamReadComplete() }
  override func canTakeMore() { user?.upstreamCanTakeMore() }

  override func closed(_ reason: HTTP2ErrorCode?) {
    guard !isOver else { return }
    var failure = UpstreamFailure(.upstreamProtocolError, "the upstream gave the request up")
    failure.isUnprocessed = wasRefused || reason == .refusedStream
    fail(failure)
  }

  func connectionEnded() {
    guard !isOver else { return }
    fail(
      UpstreamFailure(
        .upstreamProtocolError,
        hasHead
          ? "the upstream closed the connection in the middle of its response"
          : "the upstream closed the connection before its response", isBeforeResponse: !hasHead))
  }

  private func refuse(_ error: HeadError) {
    guard !isOver else { return }
    let why =
      switch error {
      case .tooLarge: "the upstream's response head is too large"
      case .malformed(let text): "the upstream's response is malformed: \(text)"
      }
    let user = self.user
    abort()
    user?.upstreamFailed(UpstreamFailure(.upstreamProtocolError, why))
  }

  private func fail(_ failure: UpstreamFailure) {
    isOver = true
    outContents = nil
    let user = self.user
    self.user = nil
    user?.upstreamFailed(failure)
  }
}
