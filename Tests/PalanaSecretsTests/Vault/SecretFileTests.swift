import PalanaCore
import PalanaSecrets
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct SecretFileTests {
  private let path = "/tmp/secrets-test-\(RandomToken.hex(bytes: 6))"

  @Test func writesForTheOwnerOnlyAndReadsBack() async throws {
    try await SecretFile.write(Redacted([1, 2, 3]), to: path)
    var status = stat()
    #expect(unsafe stat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    try await SecretFile.write(Redacted([4]), to: path)
    #expect(try await SecretFile.read(path).reveal() == [4])
    try await SecretFile.remove(path)
    try await SecretFile.remove(path)
    #expect(await failure { _ = try await SecretFile.read(path) }?.code == .notFound)
  }

  @Test(arguments: [0o604 as UInt32, 0o640, 0o606, 0o660]) func refusesAFileThatOthersCanRead(mode: UInt32) async throws {
    try await SecretFile.write(Redacted([1]), to: path)
    #expect(unsafe chmod(path, mode) == 0)
    #expect(await failure { _ = try await SecretFile.read(path) }?.code == .failed)
    #expect(try await SecretFile.read(path, isPrivate: false).reveal() == [1])
    try await SecretFile.remove(path)
  }

  @Test func refusesWhatIsNoSmallPlainFile() async throws {
    #expect(await failure { _ = try await SecretFile.read("/tmp") }?.code == .failed)
    try await SecretFile.write(Redacted([UInt8](repeating: 1, count: 65_537)), to: path)
    #expect(await failure { _ = try await SecretFile.read(path) }?.code == .failed)
    try await SecretFile.remove(path)
  }
}
