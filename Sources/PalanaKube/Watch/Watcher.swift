import NIOHTTP1

/// Keeps a watch of one collection going for as long as it runs.
package struct Watcher: Sendable {
  package struct Options: Sendable {
    /// How long one watch lasts before it is begun anew: that is when a server that restarted gets its share again.
    package var life = Duration.seconds(290)
    /// A watch without an event, also without a bookmark, is broken after this. Servers send bookmarks about once a minute.
    package var silence = Duration.seconds(150)
    package init() {}
  }

  private let client: KubeClient
  private let resource: KubeResource
  private let selection: Selection
  private let options: Options

  package init(_ client: KubeClient, _ resource: KubeResource, _ selection: Selection = Selection(), options: Options = Options()) {
    self.client = client
    self.resource = resource
    self.selection = selection
    self.options = options
  }

  /// Runs until it is cancelled. Every failure is told and got over.
  package func run(_ take: @escaping @Sendable (WatchEvent) async -> Void) async {
    var machine = WatchMachine()
    while !Task.isCancelled {
      switch machine.next(spread: .random(in: 0...1)) {
      case .wait(let pause): try? await Task.sleep(for: pause)
      case .list(let next): await list(after: next, &machine, take)
      case .watch(let version): await watch(from: version, &machine, take)
      }
    }
  }

  private func list(
    after next: String?, _ machine: inout WatchMachine, _ take: @Sendable (WatchEvent) async -> Void
  ) async {
    do throws(KubeError) {
      let page = try await client.page(resource, selection, after: next)
      let place = machine.listed(version: page.resourceVersion, next: page.next)
      if place.isFirst { await take(.began) }
      for object in page.objects { await take(.listed(object)) }
      if place.isLast { await take(.complete) }
    } catch {
      await failed(error, &machine, take)
    }
  }

  private func failed(_ error: KubeError, _ machine: inout WatchMachine, _ take: @Sendable (WatchEvent) async -> Void) async {
    guard !Task.isCancelled else { return }
    machine.failed(error)
    // That a place is gone is the way of things, and already being mended.
    if error.kind != .gone { await take(.failed(error)) }
  }

  private func watch(
    from version: String, _ machine: inout WatchMachine, _ take: @escaping @Sendable (WatchEvent) async -> Void
  ) async {
    let begun = ContinuousClock.now
    let heard = Heartbeat(begun)
    let start = machine
    let outcome = await withTaskGroup(of: Outcome?.self) { group -> Outcome? in
      group.addTask { await read(from: version, start, heard: { heard.beat() }, take) }
      group.addTask {
        // Half of the silence: a broken watch is found out after one and a half of it at the latest.
        while (try? await Task.sleep(for: options.silence / 2)) != nil {
          if heard.last + options.silence < .now { return nil }
        }
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      if let first { return first }
      // A watch that fell silent is ended and begun anew, which is no failure: a quiet collection may have nothing to tell, and a server
      // that is gone does not take the next one. The reader has what it saw last.
      for await other in group {
        guard var other else { continue }
        other.error = nil
        return other
      }
      return nil
    }
    guard let outcome else { return }
    machine = outcome.machine
    if let error = outcome.error {
      await failed(error, &machine, take)
    } else {
      machine.ended(wasShort: outcome.count == 0 && begun + .seconds(1) > .now)
    }
  }

  private struct Outcome: Sendable {
    var machine: WatchMachine
    var count = 0
    var error: KubeError?
  }

  private func read(
    from version: String, _ machine: WatchMachine, heard: @Sendable () -> Void, _ take: @Sendable (WatchEvent) async -> Void
  ) async -> Outcome {
    var outcome = Outcome(machine: machine)
    do {
      var items = selection.items
      items += [
        ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
        ("timeoutSeconds", "\(max(1, options.life.components.seconds))"),
      ]
      let path = try resource.path(namespace: selection.namespace) + URLText.query(items)
      var splitter = LineSplitter(limit: client.server.limits.eventBytes)
      for try await bytes in try await client.server.stream(client.request(.GET, path)) {
        heard()
        splitter.append(bytes)
        while let line = try splitter.next() {
          outcome.count += 1
          switch try WatchLine(line) {
          case .changed(let object):
            await take(.changed(object))
            outcome.machine.seen(version: object.resourceVersion)
          case .deleted(let object):
            await take(.deleted(object))
            outcome.machine.seen(version: object.resourceVersion)
          case .bookmark(let version):
            outcome.machine.seen(version: version)
            await take(.current)
          case .error(let error): throw error
          }
        }
      }
    } catch {
      outcome.error = error as? KubeError ?? KubeError(.unreachable, "the watch of \(resource) broke off")
    }
    return outcome
  }
}
