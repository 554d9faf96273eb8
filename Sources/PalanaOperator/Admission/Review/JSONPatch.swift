import PalanaCore

/// The difference of two documents as operations of RFC 6902. Lists that differ are replaced whole.
enum JSONPatch {
  static func operations(from old: JSONValue, to new: JSONValue) -> [JSONValue] {
    var operations: [JSONValue] = []
    compare(old, new, "", &operations)
    return operations
  }

  private static func compare(_ old: JSONValue, _ new: JSONValue, _ path: String, _ operations: inout [JSONValue]) {
    guard case .object(let before) = old, case .object(let after) = new else {
      if !ExactText.isSame(old, new) { operations.append(["op": "replace", "path": .string(path), "value": new]) }
      return
    }
    for (name, value) in after {
      let place = "\(path)/\(escaped(name))"
      if let other = before[name] {
        compare(other, value, place, &operations)
      } else {
        operations.append(["op": "add", "path": .string(place), "value": value])
      }
    }
    for (name, _) in before where after[name] == nil {
      operations.append(["op": "remove", "path": .string("\(path)/\(escaped(name))")])
    }
  }

  /// A name in a JSON Pointer (RFC 6901 §3).
  private static func escaped(_ name: String) -> String {
    var bytes: [UInt8] = []
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "~"): bytes += Array("~0".utf8)
      case UInt8(ascii: "/"): bytes += Array("~1".utf8)
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
