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
  /// Of the handshake, when the request is one for a websocket.
  private var websocketKey: String?
  /// A websocket that is open.
  private var isRelay = false
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
    if request.fields.fields.contains(where: { $0.known == .upgrade }) {
      let key = request.fields.fields.first { request.fields.equal($0.name, "sec-websocket-key") }
      websocketKey = key.map { request.fields.text($0.value) } ?? ""
    }
    hasEnded = websocketKey == nil && (request.framing == .none || request.framing == .length(0))
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

  /// What the agent said last still arrives; the upstream has a bounded time to end its side.
  func finishRelay() {
    guard isRelay, !isOver, !isClosed else { return abort() }
    user = nil
    isOver = true
    connection.release(self)
    endOurSide()
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    _ = loop.eventLoop.scheduleTask(in: TimeAmount(loop.shared.limits.upstreamIdle)) {
      bound.value.connection.reset(bound.value, .cancel)
    }
  }

  private func endOurSide() {
    guard !hasEnded else { return }
    isEnding = true
    flush()
  }

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
        if isRelay { return relayEnded() }
        return finish(trailers: try HTTP2Fields.trailers(headers, limits: loop.shared.limits))
      }
      let bytes = try HTTP2ResponseHead.bytes(headers, limits: loop.shared.limits, websocketKey: websocketKey)
      let head = try ResponseHead(bytes, isHead: isHeadRequest, limits: loop.shared.limits)
      if head.status == 101, websocketKey != nil { return open(head, endsStream: endsStream) }
      guard head.status >= 200 else {
        guard head.status != 101, !endsStream else { throw .malformed("an interim response is the last one") }
        user?.upstreamInterim(head)
        return
      }
      hasHead = true
      loop.turns.worked(key.agent)
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

  /// The upstream takes the websocket. The status 101 is the gateway's word for it: none comes over HTTP/2.
  private func open(_ head: ResponseHead, endsStream: Bool) {
    hasHead = true
    isRelay = true
    user?.upstreamHead(head)
    if endsStream { relayEnded() }
  }

  private func relayEnded() {
    guard !isOver else { return }
    isOver = true
    let user = self.user
    self.user = nil
    user?.relayUpstreamClosed()
    if !isClosed { endOurSide() }
  }

  override func contents(_ contents: ByteBuffer, endsStream: Bool) {
    guard !isOver else { return connection.release(self) }
    received += Int64(contents.readableBytes)
    guard hasHead, received <= expected ?? .max else {
      return refuse(.malformed(hasHead ? "the body is longer than was said" : "there is a body before the head"))
    }
    if contents.readableBytes > 0 { user?.upstreamContents(contents) }
    if endsStream { if isRelay { relayEnded() } else { finish(trailers: nil) } }
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
    if isRelay { return relayEnded() }
    var failure = UpstreamFailure(.upstreamProtocolError, "the upstream gave the request up")
    failure.isUnprocessed = wasRefused || reason == .refusedStream
    fail(failure)
  }

  func connectionEnded() {
    guard !isOver else { return }
    if isRelay { return relayEnded() }
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
