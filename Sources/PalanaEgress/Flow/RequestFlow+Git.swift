import NIOCore
import PalanaPolicy

/// What is different about requests of Git: the commands of a push are read before it is decided on, and nothing of it is sent
/// before that.
extension RequestFlow {
  /// Bytes that the commands of one push may have.
  private static let longestCommands = 1_048_576
  /// Bytes of a refused push that are thrown away to answer in git's own words; a longer one is answered at once.
  private static let longestRefused = 64 << 20

  /// Notes what a request is in terms of Git.
  ///
  /// - Throws: ``Refusal`` for one that some servers would take for Git and others not.
  func recogniseGit(_ exchange: Exchange, _ head: RequestHead, _ target: RequestTarget) throws(Refusal) {
    guard let method = exchange.method else { return }
    let found: GitOperation?
    do throws(GitEndpoint.Ambiguity) {
      found = try GitEndpoint.operation(method: method, path: target.path.description, query: target.query)
    } catch { throw Refusal(.malformedRequest, error.explanation) }
    guard let operation = found else { return }
    let git = GitExchange(operation, version: value(of: "git-protocol", in: head))
    exchange.git = git
    guard !operation.isDiscovery else { return }
    let service = operation.service == .push ? "receive" : "upload"
    guard value(of: "content-type", in: head) == "application/x-git-\(service)-pack-request" else {
      throw Refusal(.malformedRequest, "the content type is not the one of this request of Git")
    }
    let coding = value(of: "content-encoding", in: head)
    guard operation.service == .push else {
      // Git compresses what it has to say at length.
      exchange.requestFilters.append(GitFetchReader(git: git, inflater: coding == nil ? nil : Inflater(.gzip)))
      return
    }
    guard coding == nil else { throw Refusal(.malformedRequest, "the commands of a push are in a content coding") }
  }

  private func value(of name: StaticString, in head: RequestHead) -> String? {
    head.fields.fields.first { head.fields.equal($0.name, name) }.map { head.fields.text($0.value) }
  }

  /// The push is allowed as far as its head tells; its commands are next.
  func awaitCommands(_ exchange: Exchange) {
    guard !exchange.isRequestWhole else { return refuse(exchange, Refusal(.malformedRequest, GitSyntaxError.incomplete.explanation)) }
    exchange.isCollecting = true
    if exchange.head?.expectsContinue == true { client?.sendContinue() }
    client?.proceed()
    client?.readOn()
  }

  /// Contents of a push that come before it is decided on, or after it is refused.
  ///
  /// - Returns: false when they belong to nothing of this.
  func takeGitContents(_ contents: ByteBuffer, _ exchange: Exchange) -> Bool {
    guard let git = exchange.git else { return false }
    if let refusal = git.refusal {
      git.thrownAway += contents.readableBytes
      if git.thrownAway > Self.longestRefused { refuse(exchange, Refusal(refusal.reason, refusal.explanation)) }
      return true
    }
    guard git.needsCommands else { return false }
    if git.held == nil { git.held = contents } else { git.held?.writeImmutableBuffer(contents) }
    guard let held = git.held else { return true }
    do throws(GitSyntaxError) {
      guard try git.push.advance(over: held) else {
        if held.readableBytes > Self.longestCommands {
          refuse(exchange, Refusal(.limitExceeded, "the commands of the push are longer than \(Self.longestCommands) bytes"))
        }
        return true
      }
    } catch {
      refuse(exchange, Refusal(.malformedRequest, error.explanation))
      return true
    }
    exchange.isCollecting = false
    exchange.question?.git?.refs = git.push.commands.map(\.ref)
    decide(exchange) { $0.allowed($1) }
    return true
  }

  /// The request ended while its contents were awaited.
  ///
  /// - Returns: false when that is nothing of this.
  func gitEnded(_ exchange: Exchange) -> Bool {
    guard let git = exchange.git else { return false }
    if let refusal = git.refusal {
      exchange.isCollecting = false
      refuse(exchange, refusal)
      return true
    }
    guard git.needsCommands else { return false }
    refuse(exchange, Refusal(.malformedRequest, GitSyntaxError.incomplete.explanation))
    return true
  }

  /// A push whose commands are known is refused in git's own words, once the client has sent all of it.
  ///
  /// - Returns: false when it has to be refused like everything else.
  func refusePush(_ exchange: Exchange, _ refusal: Refusal) -> Bool {
    guard let git = exchange.git, git.push.isDone, !exchange.wentUpstream, git.refusal == nil,
      let report = ReceivePackReport.body(git.push, reason: refusal.reason.rawValue, explanation: refusal.explanation)
    else { return false }
    var refusal = refusal
    refusal.report = report
    git.refusal = refusal
    git.held = nil
    exchange.isCollecting = true
    client?.proceed()
    client?.readOn()
    return true
  }

  /// The contents that were held go first, through everything that contents go through.
  func sendHeldCommands(_ exchange: Exchange) {
    guard let held = exchange.git?.held else { return }
    exchange.git?.held = nil
    requestContents(held)
  }
}

/// Reads along what a fetch asks for. What it cannot read is written down as a fetch.
private struct GitFetchReader: BodyFilter {
  let git: GitExchange
  let inflater: Inflater?

  mutating func pass(_ contents: ByteBuffer) -> ByteBuffer? {
    guard git.fetch.action == nil else { return contents }
    guard let inflater else {
      git.fetch.take(contents)
      return contents
    }
    do throws(Inflater.Failure) {
      try inflater.decode(contents) { git.fetch.take($0) }
    } catch {
      git.fetch.giveUp()
    }
    return contents
  }

  mutating func finish() -> ByteBuffer? {
    git.fetch.finish()
    return nil
  }
}
