extension JSONValue {
  /// The value as JSON, with members in the order in which its type writes them: what a person sees as YAML keeps the order
  /// of the documentation.
  /// - Throws: ``PalanaError`` with code `failed` when the value has no JSON form (a NaN, for example).
  package init(encoding value: some Encodable) throws(PalanaError) {
    let slot = EncodingSlot()
    do {
      try SlotEncoder(slot: slot, codingPath: []).box(value)
    } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.failed, "a value has no JSON form")
    }
    self = slot.value
  }
}

/// A place in the document that is being written. Objects and lists grow in place, so that nested containers may interleave.
private final class EncodingSlot {
  private var plain: JSONValue = .null
  private var members: [(String, EncodingSlot)]?
  private var elements: [EncodingSlot]?

  var value: JSONValue {
    if let members {
      var object = JSONObject()
      for (name, slot) in members { object[name] = slot.value }
      return .object(object)
    }
    if let elements { return .array(elements.map(\.value)) }
    return plain
  }

  var count: Int { elements?.count ?? 0 }
  func set(_ value: JSONValue) { plain = value }
  func becomeObject() { members = members ?? [] }
  func becomeArray() { elements = elements ?? [] }

  func member(_ name: String) -> EncodingSlot {
    let slot = EncodingSlot()
    members = (members ?? []) + [(name, slot)]
    return slot
  }

  func element() -> EncodingSlot {
    let slot = EncodingSlot()
    elements = (elements ?? []) + [slot]
    return slot
  }
}

private struct SlotEncoder: Encoder {
  let slot: EncodingSlot
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    slot.becomeObject()
    return KeyedEncodingContainer(SlotKeyed<Key>(slot: slot, codingPath: codingPath))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    slot.becomeArray()
    return SlotUnkeyed(slot: slot, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { SlotSingle(encoder: self) }

  func box<T: Encodable>(_ value: T) throws {
    switch value {
    case let json as JSONValue: slot.set(json)
    case let text as String: slot.set(.string(text))
    case let flag as Bool: slot.set(.bool(flag))
    case let integer as any FixedWidthInteger: slot.set(.number(JSONNumber(checked: integer.description)))
    case let number as Double: slot.set(try Self.number(number))
    case let number as Float: slot.set(try Self.number(Double(number)))
    default: try value.encode(to: self)
    }
  }

  private static func number(_ value: Double) throws -> JSONValue {
    guard let number = JSONNumber(value) else { throw PalanaError(.failed, "JSON has no word for \(value)") }
    return .number(number)
  }
}

private struct SlotKeyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let slot: EncodingSlot
  let codingPath: [any CodingKey]

  private func child(_ key: any CodingKey) -> SlotEncoder {
    SlotEncoder(slot: slot.member(key.stringValue), codingPath: codingPath + [key])
  }

  func encodeNil(forKey key: Key) { child(key).slot.set(.null) }
  func encode<T: Encodable>(_ value: T, forKey key: Key) throws { try child(key).box(value) }
  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> { child(key).container(keyedBy: type) }
  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { child(key).unkeyedContainer() }
  func superEncoder() -> any Encoder { child(FieldKey(stringValue: "super")) }
  func superEncoder(forKey key: Key) -> any Encoder { child(key) }
}

private struct SlotUnkeyed: UnkeyedEncodingContainer {
  let slot: EncodingSlot
  let codingPath: [any CodingKey]
  var count: Int { slot.count }

  private func child() -> SlotEncoder {
    let key = FieldKey(intValue: slot.count)
    return SlotEncoder(slot: slot.element(), codingPath: codingPath + [key])
  }

  func encodeNil() { child().slot.set(.null) }
  func encode<T: Encodable>(_ value: T) throws { try child().box(value) }
  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
    child().container(keyedBy: type)
  }
  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { child().unkeyedContainer() }
  func superEncoder() -> any Encoder { child() }
}

private struct SlotSingle: SingleValueEncodingContainer {
  let encoder: SlotEncoder
  var codingPath: [any CodingKey] { encoder.codingPath }

  func encodeNil() { encoder.slot.set(.null) }
  func encode<T: Encodable>(_ value: T) throws { try encoder.box(value) }
}
