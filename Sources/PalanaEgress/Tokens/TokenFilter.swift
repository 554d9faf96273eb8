import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// Holds the answer of a token endpoint whole, and gives the agent placeholders in place of the tokens in it.
struct TokenFilter: BodyFilter {
  private let limit: Int
  private let mint: (TokenResponse.Token) -> String
  private var body = ByteBuffer()

  /// - Parameters:
  ///   - limit: bytes that are held.
  ///   - mint: keeps a token and gives back what stands for it.
  init(limit: Int, mint: @escaping (TokenResponse.Token) -> String) {
    self.limit = limit
    self.mint = mint
  }

  mutating func pass(_ contents: ByteBuffer) throws(Refusal) -> ByteBuffer? {
    guard body.readableBytes + contents.readableBytes <= limit else {
      throw Refusal(.responseNotReadable, "the answer of the token endpoint is larger than what the gateway holds")
    }
    body.writeImmutableBuffer(contents)
    return nil
  }

  mutating func finish() throws(Refusal) -> ByteBuffer? {
    do {
      guard let replaced = try TokenResponse.replacing(Array(body.readableBytesView), with: mint) else { return body }
      return ByteBuffer(bytes: replaced)
    } catch {
      throw Refusal(.responseNotReadable, "the answer of the token endpoint is no JSON")
    }
  }
}
