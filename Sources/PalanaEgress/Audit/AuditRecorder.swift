import Logging
import PalanaAudit

/// The audit of one event loop, with a memory of whether it works: while it does not, nothing may go upstream.
struct AuditRecorder {
  private let sink: any AuditSink
  private let logger: Logger
  /// Set by a failed write, cleared by the next one that works (each refusal tries).
  private(set) var isDown = false

  init(sink: any AuditSink, logger: Logger) {
    self.sink = sink
    self.logger = logger
  }

  /// - Returns: whether the event will survive this process.
  mutating func record(_ event: AuditEvent) -> Bool {
    do {
      try sink.record(event)
      if isDown {
        logger.info("audit.available")
        isDown = false
      }
      return true
    } catch {
      if !isDown {
        logger.error("audit.unavailable", metadata: ["audit.why": "\(error.why)"])
        isDown = true
      }
      return false
    }
  }
}
