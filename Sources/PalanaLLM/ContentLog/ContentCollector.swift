import NIOCore
import PalanaCore

/// Gathers what one call says, on its event loop. What was taken of the memory for it is given back with it.
final class ContentCollector {
  private let log: ContentLog
  private var card: ContentRecord.Card
  private let request: ByteBuffer
  private var answer = ByteBuffer()
  private var held = 0
  /// Whether there was no room even for the request.
  private var isLost = false

  /// - Parameter card: what is known when the call goes out.
  init(_ log: ContentLog, _ card: ContentRecord.Card, request body: ByteBuffer) {
    self.log = log
    self.card = card
    let most = log.settings.maxRecordBytes
    self.card.requestBytes = Int64(body.readableBytes)
    self.card.isRequestTruncated = body.readableBytes > most
    // What is cut off is a copy, so that it does not hold the rest.
    request =
      body.readableBytes > most ? ByteBuffer(bytes: body.readableBytesView.prefix(most)) : body
    isLost = !take(request.readableBytes)
  }

  deinit { log.queue.give(held) }

  private func take(_ bytes: Int) -> Bool {
    guard log.queue.take(bytes) else { return false }
    held += bytes
    return true
  }

  /// What goes to the agent, in order. Copied up to the bound: pieces of a stream are small parts of larger buffers.
  func take(_ bytes: ByteBuffer) {
    card.answerBytes += Int64(bytes.readableBytes)
    guard !isLost, !card.isAnswerTruncated else { return }
    let room = min(bytes.readableBytes, log.settings.maxRecordBytes - answer.readableBytes)
    guard room > 0 || bytes.readableBytes == 0, take(room) else {
      card.isAnswerTruncated = true
      return
    }
    answer.writeBytes(bytes.readableBytesView.prefix(room))
    if room < bytes.readableBytes { card.isAnswerTruncated = true }
  }

  /// The call is over: the record goes to the writer.
  ///
  /// - Parameters:
  ///   - upstream: who answered last.
  ///   - status: nil: the agent got no answer.
  func finish(upstream: String, status: Int?) {
    guard !isLost else { return log.queue.lose(.memoryFull, 1) }
    card.upstream = upstream
    card.status = status
    log.queue.offer(ContentRecord(card: card, request: request, answer: answer), holding: held)
    held = 0
  }
}

extension Call {
  /// From here on what is said is kept, where the route says so. The request is as it is after redaction.
  func beginContent(_ route: LLMRoute) {
    guard route.keepsContent, content == nil, let log = loop.shared.content else { return }
    switch endpoint?.purpose {
    case .call, .countTokens, .anything: break
    case .models, nil: return
    }
    let model = scan.map { LedgerBounds.name(route.models.name(of: $0.call.model)) } ?? Self.unread
    content = ContentCollector(
      log,
      ContentRecord.Card(
        id: id, time: time, agentID: agent.id.text, agent: agent.name.text, owner: agent.owner.raw, route: route.name, model: model,
        upstream: "", path: shownPath, requestBytes: 0, answerBytes: 0), request: body)
  }

  /// The call is over.
  func endContent(_ status: Int?) {
    guard let content else { return }
    self.content = nil
    let name = upstream.flatMap { index in route.map { $0.upstreams[index].name } } ?? ""
    content.finish(upstream: name, status: status)
  }
}
