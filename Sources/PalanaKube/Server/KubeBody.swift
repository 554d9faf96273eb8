import AsyncHTTPClient
package import NIOCore

/// The body of an answer that is read as it comes. Whoever reads slowly slows the server down.
package struct KubeBody: AsyncSequence, Sendable {
  package typealias Element = ByteBuffer
  private let body: HTTPClientResponse.Body

  init(_ body: HTTPClientResponse.Body) { self.body = body }

  package struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var iterator: HTTPClientResponse.Body.AsyncIterator

    /// - Throws: ``KubeError`` of kind `unreachable` when the connection breaks off.
    package mutating func next() async throws -> ByteBuffer? {
      do { return try await iterator.next(isolation: #isolation) } catch {
        throw KubeError(.unreachable, "the connection with the API server broke off")
      }
    }
  }

  package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(iterator: body.makeAsyncIterator()) }
}
