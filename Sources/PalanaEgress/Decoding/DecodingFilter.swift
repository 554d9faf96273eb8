import NIOCore
import PalanaPolicy

/// Takes compressed contents out of their coding.
struct DecodingFilter: BodyFilter {
  private let inflater: Inflater

  init(_ coding: Inflater.Coding) { inflater = Inflater(coding) }

  func pass(_ contents: ByteBuffer) throws(Refusal) -> ByteBuffer? {
    var result: ByteBuffer?
    do {
      try inflater.decode(contents) { piece in
        if result?.writeImmutableBuffer(piece) == nil { result = piece }
      }
    } catch {
      throw Self.refusal(error)
    }
    return result
  }

  func finish() throws(Refusal) -> ByteBuffer? {
    do { try inflater.finish() } catch { throw Self.refusal(error) }
    return nil
  }

  private static func refusal(_ failure: Inflater.Failure) -> Refusal {
    switch failure {
    case .malformed: Refusal(.responseNotReadable, "the upstream's compressed response is damaged")
    case .tooLarge: Refusal(.responseNotReadable, "the upstream's compressed response grows beyond every measure")
    }
  }
}

extension ResponseHead {
  /// The head of the decoded response: what was said of the coded bytes is left out.
  ///
  /// - Throws: ``HeadError``, which cannot happen: a head without some of its fields is a head.
  func decoded(limits: EgressLimits) throws(HeadError) -> ResponseHead {
    var bytes = ByteBufferAllocator().buffer(capacity: fields.bytes.readableBytes)
    bytes.writeStaticString("HTTP/1.1 ")
    DecimalWriter.write(Int64(status), into: &bytes)
    bytes.writeStaticString(" ")
    let span = fields.bytes.readableBytesUInt8Span
    unsafe bytes.writeBytes(span.extracting(phrase.range).bytes)
    bytes.writeStaticString("\r\n")
    FieldCopier.copy(fields, into: &bytes) { _, field in
      switch field.known {
      case .contentEncoding, .contentLength, .transferEncoding: .skip
      default: fields.equal(field.name, "content-md5") || fields.equal(field.name, "content-digest") ? .skip : .copy
      }
    }
    bytes.writeStaticString(keepsAlive ? "transfer-encoding: chunked\r\n\r\n" : "connection: close\r\n\r\n")
    return try ResponseHead(bytes, isHead: false, limits: limits)
  }
}
