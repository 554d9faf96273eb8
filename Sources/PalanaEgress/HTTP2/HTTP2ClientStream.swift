import NIOCore
import NIOHPACK
import NIOHTTP2
import PalanaPolicy

/// One request of an agent over HTTP/2, with its own ``RequestFlow``.
final class HTTP2ClientStream: HTTP2Stream, ClientSide {
  let flow: RequestFlow
  /// Contents that have nowhere to go yet; the window bounds them.
  private var held: ByteBuffer?
  private var trailers: HeadFields?
  private var expected: Int64?
  private var received: Int64 = 0
  private var isWebsocket = false
  /// Answered, refused or ended: nothing more is expected of the client.
  private var isOver = false
  private var deadline: NIODeadline

  // What is not written yet: head, contents and end leave as few frames as possible.
  private var outHead: HPACKHeaders?
  private var outContents: ByteBuffer?
  private var outTrailers: HPACKHeaders?
  private var isEnding = false
  private var resetsWhenSent = false
  private var isDiscarding = false
  private var discarded = 0
  private static let frameSize = 16_384

  init(id: HTTP2StreamID, connection: HTTP2Connection, flow: RequestFlow) {
    self.flow = flow
    deadline = flow.loop.now + TimeAmount(flow.limits.streamTimeout)
    super.init(id: id, connection: connection)
    flow.client = self
  }

  /// Begins the request.
  func open(_ headers: HPACKHeaders, endsStream: Bool) {
    isRemoteDone = endsStream
    let exchange = flow.makeExchange()
    exchange.proto = "http/2"
    exchange.scheme = .https
    exchange.authority = flow.tunnel?.authority
    exchange.hasBody = !endsStream
    exchange.isRequestWhole = endsStream
    do throws(Refusal) {
      let request = try HTTP2RequestHead(headers, endsStream: endsStream, limits: flow.limits)
      let head: RequestHead
      let storage = flow.spareFields
      flow.spareFields = []
      do throws(HeadError) {
        head = try RequestHead(request.bytes, limits: flow.limits, reusing: storage)
      } catch {
        throw Refusal(error)
      }
      expected = request.contentLength
      isWebsocket = request.websocketKey != nil
      exchange.websocketAccept = request.websocketKey.map(WebsocketKey.accept)
      exchange.take(head)
      exchange.acceptsTrailers = request.acceptsTrailers
      exchange.prefersHTTP2 = request.websocketKey == nil
      if request.isGRPC { exchange.proto = "grpc" }
      flow.innerRequest(head, exchange)
    } catch {
      flow.refuse(exchange, error)
    }
  }

  // MARK: From the client

  override func headers(_ headers: HPACKHeaders, endsStream: Bool) {
    guard !isOver, let exchange = flow.exchange else { return }
    guard endsStream, !exchange.isRelay else {
      return flow.refuse(exchange, Refusal(.malformedRequest, "there is a second head in the middle of a request"))
    }
    do {
      trailers = try HTTP2Fields.trailers(headers, limits: flow.limits)
    } catch {
      return flow.refuse(exchange, Refusal(error))
    }
    isRemoteDone = true
    guard agrees(exchange) else { return }
    feed()
  }

  override func contents(_ contents: ByteBuffer, endsStream: Bool) {
    guard !isOver, let exchange = flow.exchange else { return discard(contents) }
    received += Int64(contents.readableBytes)
    guard agrees(exchange) else { return }
    if contents.readableBytes > 0 {
      if held == nil, flow.takesContents {
        flow.requestContents(contents)
      } else if held?.writeImmutableBuffer(contents) == nil {
        held = contents
      }
    }
    if flow.takesContents || isWebsocket && isRemoteDone { feed() }
    readOn()
  }

  /// Whether the contents are as many as were stated, so far.
  private func agrees(_ exchange: Exchange) -> Bool {
    guard let expected, received > expected || isRemoteDone && received != expected else { return true }
    flow.refuse(exchange, Refusal(.malformedRequest, "the content-length is not that of the body"))
    return false
  }

  override func readComplete() { if !isOver { flow.requestReadComplete() } }

  private func feed() {
    guard let exchange = flow.exchange else { return }
    if let contents = held, flow.takesContents {
      held = nil
      flow.requestContents(contents)
    }
    guard isRemoteDone, held == nil, flow.exchange === exchange, !exchange.isRecorded else { return }
    if exchange.isRelay { return endRelay() }
    guard flow.takesContents else { return }
    flow.requestEnded(trailers: trailers)
  }

  /// The client has closed its side of a websocket.
  private func endRelay() {
    flow.end(.clientAborted)
    isOver = true
    isEnding = true
    flush()
  }

  override func closed(_ reason: HTTP2ErrorCode?) {
    held = nil
    guard !isOver else { return }
    isOver = true
    flow.end(.clientAborted)
  }

  override func canTakeMore() {
    if resetsWhenSent, waiting == 0 {
      resetsWhenSent = false
      return connection.reset(self, .noError)
    }
    flow.upstream?.resumeReading()
  }

  func checkDeadline(_ now: NIODeadline) {
    guard deadline <= now else { return }
    if isDiscarding { return stopDiscarding() }
    if !isOver, flow.refuseLate() { return }
    cut(.idle)
  }

  // MARK: ClientSide

  func touch() { deadline = flow.loop.now + TimeAmount(flow.limits.streamTimeout) }

  func proceed() {
    guard !isOver else { return }
    feed()
    flow.requestReadComplete()
    readOn()
  }

  func readOn() {
    if flow.wantsContents { connection.release(self) }
  }

  /// What comes meanwhile waits in the window.
  func hold() {}

  func sendContinue() { outInterim(100) }

  func sendInterim(_ head: ResponseHead) {
    connection.send(HTTP2Fields.response(head, status: head.status, length: .left), endsStream: false, on: self)
  }

  private func outInterim(_ status: Int) {
    connection.send(HPACKHeaders([(":status", String(status))]), endsStream: false, on: self)
    connection.flush()
  }

  func sendHead(_ head: ResponseHead, of exchange: Exchange) {
    let length: HTTP2Fields.ContentLength =
      switch head.framing {
      case .length: exchange.isResponseResized ? .left : .asStated
      case .none: exchange.isHeadRequest || head.status == 304 ? .asStated : .left
      case .chunked, .untilClose: .left
      }
    outHead = HTTP2Fields.response(head, status: head.status, length: length)
  }

  func sendSwitch(_ head: ResponseHead, of exchange: Exchange) {
    outHead = HTTP2Fields.response(head, status: 200, length: .left, isWebsocket: true)
  }

  func sendContents(_ contents: ByteBuffer) {
    if let count = outContents?.readableBytes {
      if count + contents.readableBytes <= Self.frameSize {
        outContents?.writeImmutableBuffer(contents)
        return
      }
      writeHead(endsStream: false)
      writeContents(endsStream: false)
    }
    outContents = contents
  }

  func sendEnd(trailers: HeadFields?) {
    isEnding = true
    if let trailers {
      let headers = HTTP2Fields.trailers(trailers)
      if !headers.isEmpty { outTrailers = headers }
    }
  }

  func flush() {
    guard !isClosed else { return }
    let endsWithContents = isEnding && outTrailers == nil
    let hasHead = outHead != nil
    let hasContents = outContents != nil
    writeHead(endsStream: endsWithContents && !hasContents)
    writeContents(endsStream: endsWithContents)
    if let trailers = outTrailers {
      outTrailers = nil
      connection.send(trailers, endsStream: true, on: self)
    } else if endsWithContents, !hasHead, !hasContents {
      connection.send(ByteBuffer(), endsStream: true, on: self)
    }
    isEnding = false
    connection.flush()
  }

  private func writeHead(endsStream: Bool) {
    guard let head = outHead else { return }
    outHead = nil
    connection.send(head, endsStream: endsStream, on: self)
  }

  private func writeContents(endsStream: Bool) {
    guard let contents = outContents else { return }
    outContents = nil
    connection.send(contents, endsStream: endsStream, on: self)
  }

  func finish(_ exchange: Exchange) {
    if exchange.isRelay {
      isEnding = true
      flush()
    }
    close()
  }

  func sendRefusal(_ refusal: Refusal, of exchange: Exchange) {
    let (contentType, body) = DenialAnswer.contents(refusal, exchange: exchange)
    outHead = HPACKHeaders(DenialAnswer.fields(refusal, contentType: contentType))
    outHead?.add(name: "content-length", value: String(body.readableBytes))
    outContents = exchange.isHeadRequest ? nil : body
    isEnding = true
    flush()
    close()
  }

  /// Everything was said. What the client still sends has nowhere to go.
  private func close() {
    isOver = true
    held = nil
    flow.exchange = nil
    flow.end(.clientAborted)
    connection.release(self)
    guard !isRemoteDone, !isClosed else { return }
    isDiscarding = true
    deadline = flow.loop.now + HTTP2Bounds.discardTime
  }

  /// Takes what is still sent of a request that was answered. Some clients look at the answer only when they have sent all of the
  /// body, and wait for the window as long; so it stays open for a bounded amount and time.
  private func discard(_ contents: ByteBuffer) {
    connection.release(self)
    guard isDiscarding else { return }
    discarded += contents.readableBytes
    if discarded > HTTP2Bounds.discarded { stopDiscarding() }
  }

  private func stopDiscarding() {
    isDiscarding = false
    guard !isClosed, !isRemoteDone else { return }
    touch()
    if waiting == 0 { connection.reset(self, .noError) } else { resetsWhenSent = true }
  }

  func abandon() {
    isOver = true
    flow.exchange = nil
    flow.end(.clientAborted)
    connection.reset(self, .internalError)
  }

  /// Ends the stream at once; the others of the connection go on.
  func cut(_ reason: EndReason) {
    isOver = true
    flow.end(reason)
    connection.reset(self, .cancel)
  }

  /// The whole connection ends.
  func end(_ reason: EndReason) {
    isOver = true
    held = nil
    flow.end(reason)
  }
}
