import Foundation
import Fuzzing

// The way from libFuzzer to a target. Only `scripts/fuzz` builds it: libFuzzer brings `main`.

/// Reads PALANA_FUZZ_TARGET, the name of the target; with PALANA_FUZZ_SEEDS, a folder, its seeds are written there.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>
) -> CInt {
  guard let target = chosen else {
    fail("PALANA_FUZZ_TARGET is none of: \(all.map(\.name).joined(separator: " "))")
  }
  if let folder = ProcessInfo.processInfo.environment["PALANA_FUZZ_SEEDS"] {
    for (number, seed) in target.seeds.enumerated() {
      do {
        try Data(seed).write(to: URL(filePath: folder).appending(path: "seed-\(number)"))
      } catch {
        fail("\(folder) cannot be written")
      }
    }
  }
  return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  // libFuzzer's bytes, valid for this call only.
  let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
  if let problem = chosen?.problem(input) { fail(problem) }
  return 0
}

private let all = FuzzTarget.egress + FuzzTarget.kube + FuzzTarget.audit + FuzzTarget.dialects
private let chosen = all.first { $0.name == ProcessInfo.processInfo.environment["PALANA_FUZZ_TARGET"] }

/// Ends the run in the way that libFuzzer takes for a finding.
private func fail(_ problem: String) -> Never {
  FileHandle.standardError.write(Data("\(problem)\n".utf8))
  abort()
}
