package import Logging
package import PalanaCore
package import PalanaPolicy
import Synchronization

/// Guardrails written in Rego, evaluated by OPA in this process, off the event loops.
///
/// A policy that fails, a question that takes too long, a full queue, an answer of another shape: each is
/// `deny(policy_unavailable)`. A broken policy never replaces a good one: ``reload()`` throws, and ``status`` says so.
package final class RegoGuardrail: Guardrail {
  /// How it is run.
  package struct Options: Sendable {
    /// `.rego` and `.json` files, folders, `.tar.gz` bundles.
    package var paths: [String]
    /// Evaluations at once.
    package var threads: Int
    /// Evaluations that may wait.
    package var queue: Int
    /// The longest that a request waits for its answer.
    package var timeout: Duration

    package init(paths: [String], threads: Int = 2, queue: Int = 256, timeout: Duration = .seconds(1)) {
      self.paths = paths
      self.threads = threads
      self.queue = queue
      self.timeout = timeout
    }
  }

  /// What is in force, and what went wrong last.
  package struct Status: Hashable, Sendable {
    package var version: String
    package var files: [String]
    /// Why the last reload did not replace the policies; nil: it did.
    package var lastError: PalanaError?
  }

  private struct State {
    var set: GuardrailSet
    var lastError: PalanaError?
  }

  /// Loading reads files and compiles: longer than a question, still bounded.
  private static let loadTimeout = Duration.seconds(30)

  private let library: OPALibrary
  private let options: Options
  private let logger: Logger
  private let pool: EvaluationPool
  private let complaints = FailureLog()
  private let state: Mutex<State>

  private init(library: OPALibrary, options: Options, logger: Logger, pool: EvaluationPool, set: GuardrailSet) {
    self.library = library
    self.options = options
    self.logger = logger
    self.pool = pool
    state = Mutex(State(set: set))
  }

  /// Loads the policies. Call ``close()`` in the end.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` that names the file and line, or `failed`.
  package static func load(
    library: OPALibrary, options: Options, logger: Logger
  ) async throws(PalanaError) -> RegoGuardrail {
    let pool = EvaluationPool(threads: options.threads, queue: options.queue)
    do {
      let set = try await build(library, options, pool)
      return RegoGuardrail(library: library, options: options, logger: logger, pool: pool, set: set)
    } catch {
      await pool.close()
      throw error
    }
  }

  /// Reads the same paths again and swaps in what they hold; answers in flight end with the policies they began with.
  ///
  /// - Throws: ``PalanaError``; the policies in force stay.
  package func reload() async throws(PalanaError) {
    do {
      let set = try await Self.build(library, options, pool)
      state.withLock { $0 = State(set: set) }
      logger.info(
        "guardrails loaded", metadata: ["policy.version": "\(set.version)", "policy.files": "\(set.files.count)"])
    } catch {
      state.withLock { $0.lastError = error }
      logger.error("guardrails not replaced, the last good ones stay", metadata: ["error.message": "\(error)"])
      throw error
    }
  }

  /// What is in force.
  package var status: Status {
    state.withLock { Status(version: $0.set.version, files: $0.set.files, lastError: $0.lastError) }
  }

  package var version: String { state.withLock { $0.set.version } }

  /// Ends the threads; every later question is denied.
  package func close() async { await pool.close() }

  package func evaluate(_ request: EgressRequest) async -> GuardrailAnswer {
    guard let input = GuardrailInput(request)?.json else {
      return .unavailable("the request lacks what guardrails are asked about")
    }
    let set = state.withLock { $0.set }
    switch await pool.run(timeout: options.timeout, { self.ask(set, input) }) {
    case .done(let answer): return answer
    case .full: return .unavailable("too many requests wait for the guardrails")
    case .timedOut: return .unavailable("the guardrails took too long")
    case .closed: return .unavailable("the guardrails are shut down")
    }
  }

  private func ask(_ set: GuardrailSet, _ input: String) -> GuardrailAnswer {
    do {
      let output = try GuardrailOutput(try set.engine.document(GuardrailOutput.package, input: input))
      return GuardrailAnswer(output.verdict, validFor: set.mayCache ? output.life : .zero)
    } catch let malformed as GuardrailOutput.Malformed {
      complaints.log(logger, "guardrail answer malformed", ["policy.field": "\(malformed.field)"])
      return .unavailable("the guardrail’s answer has a malformed \(malformed.field)")
    } catch {
      // The details may hold data of the policy: they are for the operator's log, not for the agent.
      complaints.log(logger, "guardrail evaluation failed", ["error.message": "\(error)"])
      return .unavailable("the guardrails could not be evaluated")
    }
  }

  private static func build(
    _ library: OPALibrary, _ options: Options, _ pool: EvaluationPool
  ) async throws(PalanaError) -> GuardrailSet {
    let outcome = await pool.run(timeout: loadTimeout) { () -> Result<GuardrailSet, PalanaError> in
      do throws(PalanaError) { return .success(try GuardrailSet.build(library: library, paths: options.paths)) } catch {
        return .failure(error)
      }
    }
    switch outcome {
    case .done(let result): return try result.get()
    case .full:
      throw PalanaError(.failed, "the policies cannot be loaded while so many requests wait", hint: "try again")
    case .timedOut: throw PalanaError(.failed, "loading the policies took too long")
    case .closed: throw PalanaError(.failed, "the guardrails are shut down")
    }
  }
}
