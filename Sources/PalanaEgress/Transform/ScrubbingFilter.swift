import NIOCore
import PalanaSecrets

/// Masks the agent's secrets in the contents of a response, or in the bytes of a websocket that is none.
struct ScrubbingFilter: BodyFilter {
  private var scrubber: ResponseScrubber

  init(_ scrubber: ResponseScrubber) { self.scrubber = scrubber }

  mutating func pass(_ contents: ByteBuffer) -> ByteBuffer? { scrubber.scrub(contents) }
  mutating func finish() -> ByteBuffer? { scrubber.finish() }
}
