import Foundation
import Testing

@testable import PalanaSecrets

/// The spellings of a value that are recognised, against encoders that other people wrote.
struct SecretFormsTests {
  static let values = [
    "canary-7f3a9c-s3cr3t-value", "a/b\"c\\d+e=f g&h<i>j'k",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "pässwörd-€-12345", "x~y!z*(0)9,8;7",
  ]

  private func forms(_ value: String) -> Set<String> {
    Set(SecretForms.all(of: Array(value.utf8)).map { String(decoding: $0, as: UTF8.self) })
  }

  @Test(arguments: values)
  func whatEncodersWrite(_ value: String) throws {
    let forms = forms(value)
    let bytes = Array(value.utf8)
    var expected = [value]
    let unreserved = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
    expected.append(try #require(value.addingPercentEncoding(withAllowedCharacters: unreserved)))
    expected.append(bytes.map { "%" + String(format: "%02X", $0) }.joined())
    expected.append(bytes.map { "%" + String(format: "%02x", $0) }.joined())
    expected.append(bytes.map { String(format: "%02x", $0) }.joined())
    expected.append(bytes.map { String(format: "%02X", $0) }.joined())
    let json = try String(decoding: JSONEncoder().encode([value]), as: UTF8.self)
    expected.append(String(json.dropFirst(2).dropLast(2)))
    expected.append(json.dropFirst(2).dropLast(2).replacingOccurrences(of: "\\/", with: "/"))
    expected.append(value.utf16.map { "\\u" + String(format: "%04x", $0) }.joined())
    expected.append(value.utf16.map { "\\u" + String(format: "%04X", $0) }.joined())
    for form in expected { #expect(forms.contains(form), "\(form)") }
  }

  /// Whatever stands in front and behind: the digits that belong to the value alone are one of the forms.
  @Test(arguments: values)
  func base64InEveryPlace(_ value: String) {
    let forms = forms(value)
    for before in 0..<6 {
      for after in 0..<4 {
        let text = String(repeating: "u", count: before) + value + String(repeating: ":", count: after)
        let encoded = Data(text.utf8).base64EncodedString()
        let url = encoded.replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
          .replacingOccurrences(of: "=", with: "")
        for encoded in [encoded, url] {
          let found = forms.filter { encoded.contains($0) }.map(\.utf8.count).max() ?? 0
          #expect(found >= value.utf8.count * 8 / 6 - 1, "\(encoded)")
        }
      }
    }
  }

  @Test(arguments: ["", "short", "1234567", "aaaaaaaaaaaaaaaa", "00000000", "abababababab"])
  func whatIsNotLookedFor(_ value: String) { #expect(forms(value).isEmpty) }

  /// A form that repeats itself would make the search slow: one period is looked for, with the start of the next.
  @Test func aPeriodOnly() {
    let value = String(repeating: "abcdefghij", count: 400)
    #expect(forms(value).contains("abcdefghijabcdefg"))
    #expect(forms(value).allSatisfy { $0.utf8.count < 100 })
    #expect(SecretForms.period(of: Array("abcabcab".utf8)) == 3)
    #expect(SecretForms.period(of: Array("abcd".utf8)) == 4)
    #expect(SecretForms.period(of: []) == 0)
  }

  @Test func aLongValueByItsBeginning() {
    let value = (0..<20_000).map { "\($0 * 7919);" }.joined()
    let lengths = SecretForms.all(of: Array(value.utf8)).map(\.count)
    #expect(lengths.allSatisfy { $0 <= SecretForms.longest } && !lengths.isEmpty)
  }
}
