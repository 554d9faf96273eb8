package import PalanaCore

/// Proof that an address was checked: code that dials takes the permit, so that what was checked is what is dialled.
package struct AddressPermit: Hashable, Sendable {
  package let address: IPAddress
  package let port: UInt16
  package let addressClass: AddressClass

  /// Only ``AddressPolicy`` gives permits.
  init(address: IPAddress, port: UInt16, addressClass: AddressClass) {
    self.address = address
    self.port = port
    self.addressClass = addressClass
  }
}

/// Why an address may not be dialled.
package struct AddressRefusal: Error, Hashable, Sendable {
  package let address: IPAddress
  package let addressClass: AddressClass
  /// A sentence for people.
  package let explanation: String

  /// The reason in the closed list.
  package var reason: DenialReason { .addressNotAllowed }
}

/// Which addresses may be dialled: public ones, and of the special ranges those that the operator named.
package struct AddressPolicy: Sendable {
  /// An endpoint of the platform itself.
  package struct ForbiddenEndpoint: Hashable, Sendable {
    /// The unspecified address stands for every address that is not public.
    package var address: IPAddress
    /// Nil: every port.
    package var port: UInt16?

    package init(address: IPAddress, port: UInt16?) {
      self.address = address
      self.port = port
    }
  }

  private let allowed: [CIDR]
  private let forbidden: [ForbiddenEndpoint]

  /// - Parameters:
  ///   - allowed: ranges that the operator opened. A range counts for a special address only if it lies wholly within
  ///     one special range (`10.20.0.0/16`, `127.0.0.1/32`), so that `0.0.0.0/0` opens nothing by accident.
  ///   - forbiddenEndpoints: the platform's own; they win over `allowed`.
  package init(allowed: [CIDR], forbiddenEndpoints: [ForbiddenEndpoint] = []) {
    self.allowed = allowed
    forbidden = forbiddenEndpoints
  }

  /// Checks a configured range.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` when the range can never have an effect.
  package static func validate(_ range: CIDR) throws(PalanaError) {
    guard let special = SpecialRange.covering(range.base) else {
      throw PalanaError(
        .invalid, "the range \(range) is public", hint: "public addresses need no permission; name a private range")
    }
    switch special.addressClass {
    case .unspecified, .multicast, .broadcast:
      throw PalanaError(.invalid, "the range \(range) is \(special.addressClass.rawValue) and can never be dialled")
    case .metadata where !range.isSingle:
      throw PalanaError(.invalid, "metadata addresses are opened one by one, each as a single address")
    default: break
    }
    guard special.holds(range) else {
      throw PalanaError(
        .invalid, "the range \(range) is wider than the special range in which it starts",
        hint: "name ranges that lie within one special range")
    }
  }

  /// Whether `address` may be dialled on `port`.
  package func permit(_ address: IPAddress, port: UInt16) -> Result<AddressPermit, AddressRefusal> {
    let special = SpecialRange.covering(address)
    let addressClass = special?.addressClass ?? .public
    func refuse(_ why: String) -> Result<AddressPermit, AddressRefusal> {
      .failure(AddressRefusal(address: address, addressClass: addressClass, explanation: why))
    }
    let carried = EmbeddedAddress.carried(by: address)
    for endpoint in forbidden where endpoint.port == nil || endpoint.port == port {
      let everywhere = endpoint.address == .v4(0) || endpoint.address == .v6(0, 0)
      if endpoint.address == address || carried.contains(endpoint.address) || everywhere && special != nil {
        return refuse("\(address) is an endpoint of the platform itself")
      }
    }
    let permit = AddressPermit(address: address, port: port, addressClass: addressClass)
    guard let special else { return .success(permit) }
    switch addressClass {
    case .unspecified, .multicast, .broadcast: return refuse("\(address) is \(addressClass.rawValue)")
    case .metadata:
      guard allowed.contains(where: { $0.isSingle && $0.base == address }) else {
        return refuse("\(address) is a metadata address of a cloud")
      }
    default:
      guard allowed.contains(where: { special.holds($0) && $0.contains(address) }) else {
        return refuse("\(address) is \(addressClass.rawValue), and no allowed range holds it")
      }
    }
    return .success(permit)
  }
}

extension CIDR {
  /// Whether the range is one address.
  var isSingle: Bool {
    switch base {
    case .v4: prefix == 32
    case .v6: prefix == 128
    }
  }
}
