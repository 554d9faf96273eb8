/// Writes each event to two places. It is kept when both have it; else whoever asked is told that it is not.
package struct AuditTee: AuditSink {
  private let first: any AuditSink
  private let second: any AuditSink

  package init(_ first: any AuditSink, _ second: any AuditSink) {
    self.first = first
    self.second = second
  }

  package func record(_ event: AuditEvent) throws(AuditUnavailable) {
    try first.record(event)
    try second.record(event)
  }
}
