import PalanaCore
import Synchronization

/// Makes the fingerprints of secrets that the gateway was told of: it takes each value once, from memory or from the store, and does
/// not keep it.
///
/// Requests do not wait for it. Until a value is learned it is not recognised where nobody expects it; where it is put in, it is
/// learned at that moment.
package final class FingerprintLearner: Sendable {
  package let book = FingerprintBook()
  private let secrets: any SecretValueSource
  private let calls: AsyncStream<Void>
  private let call: AsyncStream<Void>.Continuation
  private let ticks = Atomic<Int>(0)
  private static let atOnce = 8
  private static let ticksBetweenAttempts = 512

  package init(secrets: any SecretValueSource) {
    self.secrets = secrets
    (calls, call) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Takes what a new state of the agents says, and what is in memory at this moment; the rest is learned by ``run()``.
  package func adopt(_ bindings: [PlaceholderBinding]) {
    book.adopt(bindings)
    var isComplete = true
    for binding in book.missing {
      if let value = secrets.cachedValue(of: binding.ref, revision: binding.revision) {
        book.learn(binding, value)
      } else {
        isComplete = false
      }
    }
    if !isComplete { call.yield() }
  }

  /// Called again and again by the event loops; now and then it asks once more for what could not be had.
  package func tick() {
    guard ticks.wrappingAdd(1, ordering: .relaxed).newValue % Self.ticksBetweenAttempts == 0, !book.missing.isEmpty else { return }
    call.yield()
  }

  /// Learns until ``finish()``.
  package func run() async {
    for await _ in calls {
      var rest = book.missing[...]
      while !rest.isEmpty {
        let batch = rest.prefix(Self.atOnce)
        rest = rest.dropFirst(Self.atOnce)
        await withDiscardingTaskGroup { [secrets, book] group in
          for binding in batch {
            group.addTask {
              // What cannot be had now is asked for again at a later tick.
              guard let value = try? await secrets.value(of: binding.ref, revision: binding.revision) else { return }
              book.learn(binding, value)
            }
          }
        }
      }
    }
  }

  package func finish() { call.finish() }
}
