import Glibc
import PalanaCore

/// A place in the numbered log files of one run. Blocking; used by one reader.
struct LogCursor: Sendable {
  private let folder: String
  private var number = 0
  private var file: OwnedDescriptor?
  private var offset: off_t = 0

  /// Before the first line that is still there.
  init(folder: String) { self.folder = folder }

  /// Before the last `count` lines; 0: after all of them.
  init(folder: String, tail count: Int) {
    self.folder = folder
    var missing = count
    if count <= 0, let last = Self.numbers(folder).last {
      let end = Self.open(folder, last)
      (number, file, offset) = (last, end, lseek(end.number, 0, SEEK_END))
      return
    }
    for number in Self.numbers(folder).reversed() {
      let file = Self.open(folder, number)
      guard file.number >= 0 else { continue }
      self.number = number
      self.file = file
      offset = Self.offset(ofLast: &missing, in: file)
      if missing == 0 { return }
    }
  }

  private static func numbers(_ folder: String) -> [Int] {
    Files.names(in: folder).compactMap { $0.hasSuffix(".log") ? Int($0.dropLast(4)) : nil }.sorted()
  }

  private static func open(_ folder: String, _ number: Int) -> OwnedDescriptor {
    let digits = "\(number)"
    return Files.open("\(folder)/\(String(repeating: "0", count: max(6 - digits.count, 0)))\(digits).log", O_RDONLY)
  }

  /// Where the last lines of a file begin; takes what it found off `missing`.
  private static func offset(ofLast missing: inout Int, in file: OwnedDescriptor) -> off_t {
    var end = lseek(file.number, 0, SEEK_END)
    var isLastByte = true
    while end > 0 {
      let start = max(end - 65_536, 0)
      let bytes = read(file, start, Int(end - start))
      for index in bytes.indices.reversed() where bytes[index] == UInt8(ascii: "\n") {
        // The line end at the very end closes the last line; each one before it opens a later line.
        if isLastByte {
          isLastByte = false
          continue
        }
        missing -= 1
        if missing == 0 { return start + off_t(index) + 1 }
      }
      end = start
    }
    if !isLastByte { missing -= 1 }
    return 0
  }

  private static func read(_ file: OwnedDescriptor, _ offset: off_t, _ count: Int) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
      used = max(unsafe pread(file.number, buffer.baseAddress, count, offset), 0)
    }
  }

  /// What comes next, at most 64 KiB; empty: nothing has been written yet.
  mutating func next() -> [UInt8] {
    if let bytes = advance(), !bytes.isEmpty { return bytes }
    while let following = Self.numbers(folder).first(where: { $0 > number }) {
      // The last lines may have been written between the read and the look at the folder: only now is this file
      // complete.
      if let bytes = advance(), !bytes.isEmpty { return bytes }
      // One that was removed since is passed over.
      (number, file, offset) = (following, Self.open(folder, following), 0)
      if let bytes = advance(), !bytes.isEmpty { return bytes }
    }
    return []
  }

  private mutating func advance() -> [UInt8]? {
    guard let file else { return nil }
    let bytes = Self.read(file, offset, 65_536)
    offset += off_t(bytes.count)
    return bytes
  }
}
