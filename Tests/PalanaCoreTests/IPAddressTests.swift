import PalanaCore
import Testing

@Suite struct IPAddressTests {
  @Test(arguments: [
    ("0.0.0.0", "0.0.0.0"), ("10.77.0.1", "10.77.0.1"), ("255.255.255.255", "255.255.255.255"), ("::", "::"),
    ("::1", "::1"), ("1::", "1::"), ("2001:DB8::1", "2001:db8::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"),
    ("::ffff:1.2.3.4", "::ffff:102:304"),
    ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("fe80::0001", "fe80::1"),
  ])
  func accepted(_ text: String, _ canonical: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.description == canonical)
    #expect(IPAddress(canonical) == address)
  }

  @Test(arguments: [
    "", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "0x7f.0.0.1", "0x7f000001", "2130706433", "127.1",
    "017700000001", "1.2.3.-4", "1.2.3.+4", "1.2.3. 4", "1.2.3.4 ", "１.2.3.4", ":", ":::", "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3", "::-0", "::+1", "::g", "12345::", "fe80::1%eth0", "[::1]", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5",
    "1:2:3:4:5:6:7::8:9", "::01.2.3.4", String(repeating: "1", count: 100),
  ])
  func refused(_ text: String) {
    #expect(IPAddress(text) == nil)
  }

  @Test func randomAddressesRoundTrip() {
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<2000 {
      let four = IPAddress.v4(UInt32.random(in: .min ... .max, using: &generator))
      #expect(IPAddress(four.description) == four)
      // Masks make runs of zeros, which is where the short form goes wrong.
      let mask = UInt64.random(in: .min ... .max, using: &generator)
      let six = IPAddress.v6(
        UInt64.random(in: .min ... .max, using: &generator) & mask,
        UInt64.random(in: .min ... .max, using: &generator) & mask & 0xffff)
      #expect(IPAddress(six.description) == six)
    }
  }

  @Test(arguments: [
    ("10.77.0.0/16", "10.77.255.255", true), ("10.77.0.0/16", "10.78.0.0", false), ("0.0.0.0/0", "255.1.2.3", true),
    ("0.0.0.0/0", "::1", false), ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false),
    ("192.0.2.6/31", "192.0.2.7", true), ("fe80::/10", "febf::1", true), ("fe80::/10", "fec0::1", false),
    ("::/0", "1::", true), ("2001:db8::/65", "2001:db8:0:0:8000::", false),
    ("2001:db8::/64", "2001:db8:0:0:8000::", true),
    ("::1", "::1", true),
  ])
  func ranges(_ range: String, _ address: String, _ isInside: Bool) throws {
    #expect(try CIDR(range).contains(try #require(IPAddress(address))) == isInside)
  }

  @Test(arguments: [
    "", "/", "/8", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-0", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/", "::1/64",
    "::/129",
    "10.0.0.0/8/8", "example.com/8",
  ])
  func refusedRanges(_ text: String) {
    #expect(throws: PalanaError.self) { try CIDR(text) }
  }

  @Test func aRangePrintsAsItIsRead() throws {
    #expect(try CIDR("10.77.0.0/16").description == "10.77.0.0/16")
    #expect(try CIDR("::1").description == "::1/128")
  }
}
