import HTTPTypes
import Hummingbird
import NIOCore
import PalanaControlAPI
import PalanaCore
import ServiceLifecycle

/// Answers whose body grows while it is read.
enum StreamingAnswer {
  /// Hands pieces to the connection at its own pace: returns when there is room for more.
  typealias Emit = @Sendable ([UInt8]) async throws -> Void

  /// An answer that `produce` writes. It is cancelled when the client goes away and when the daemon shuts down.
  ///
  /// The answer ends the connection: finding out that a client went away means reading past the request, and what is
  /// read there cannot be given back.
  ///
  /// - Parameters:
  ///   - produce: gets what the client still sends, and where to write. Its failure is the caller's to express in the
  ///     stream.
  static func response(
    to request: Request, mediaType: String,
    produce: @escaping @Sendable (RequestBody, @escaping Emit) async -> Void
  ) -> Response {
    let body = ResponseBody { writer in
      let (pieces, source) = RequestBody.makeStream()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          // Throws when the client is gone, which nobody needs to be told.
          try? await request.body.consumeWithCancellationOnInboundClose { incoming in
            await cancelWhenGracefulShutdown {
              await produce(incoming) { bytes in
                try Task.checkCancellation()
                await source.yield(ByteBuffer(bytes: bytes))
              }
            }
          }
          source.finish()
        }
        for try await piece in pieces { try await writer.write(piece) }
      }
      try await writer.finish(nil)
    }
    return Response(status: .ok, headers: [.contentType: mediaType, .connection: "close"], body: body)
  }

  /// One JSON object per line. A failure in the middle becomes a last line `{"error":…}`.
  static func lines<Element: Encodable & Sendable>(
    to request: Request,
    from open: @escaping @Sendable () async throws -> any AsyncSequence<Element, any Error> & Sendable
  ) -> Response {
    response(to: request, mediaType: "application/x-ndjson") { _, emit in
      do {
        for try await element in try await open() {
          try await emit(try JSONAnswer.encode(element) + [10])
        }
      } catch {
        await fail(error, emit)
      }
    }
  }

  /// Writes the last line of a stream that broke, unless nobody reads it any more.
  static func fail(_ error: any Error, _ emit: Emit) async {
    guard !Task.isCancelled, !(error is CancellationError) else { return }
    let shown = error as? PalanaError ?? PalanaError(.failed, "the stream broke off")
    if let line = try? JSONAnswer.encode(PalanaError.Envelope(shown)) { try? await emit(line + [10]) }
  }
}
