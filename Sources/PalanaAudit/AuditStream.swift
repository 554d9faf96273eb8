import Synchronization

/// Writes events as lines of JSON to a stream that something else collects, such as the standard output of a container.
///
/// The lines have no place in a chain: whoever collects them gives it. An event is one `write(2)`.
package final class AuditStream: AuditSink {
  private let descriptor: Int32
  private let buffer = Mutex<[UInt8]>([])

  /// - Parameter descriptor: stays open for as long as this lives.
  package init(descriptor: Int32) { self.descriptor = descriptor }

  package func record(_ event: AuditEvent) throws(AuditUnavailable) {
    let isWritten = buffer.withLock { buffer in
      buffer.removeAll(keepingCapacity: true)
      AuditEncoder.encode(event, into: &buffer)
      buffer.append(UInt8(ascii: "\n"))
      return SpoolFiles.append(buffer, to: descriptor) == buffer.count
    }
    guard isWritten else { throw AuditUnavailable("an audit event could not be written to the stream") }
  }
}
