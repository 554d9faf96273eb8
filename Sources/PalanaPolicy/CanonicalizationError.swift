/// Why a host, an authority or a request target has no canonical form: the request is answered with
/// `malformed_request`.
///
/// The message never repeats what was sent, so it is safe in a log and in a denial body.
package struct CanonicalizationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The closed list of problems.
  package enum Problem: String, Hashable, Sendable, CaseIterable {
    case empty, tooLong, emptyLabel, labelTooLong, hyphen, notASCII, control, character, userInformation
    case addressSpelling, zone, brackets
    case portMissing, portMalformed
    case targetForm, targetScheme, targetTooLong, fragment, percentEncoding, encodedSeparator, backslash, dotSegment
  }

  package let problem: Problem

  package init(_ problem: Problem) { self.problem = problem }

  /// One sentence for people.
  package var description: String {
    switch problem {
    case .empty: "the host is empty"
    case .tooLong: "the host is longer than 253 bytes"
    case .emptyLabel: "the host has an empty label"
    case .labelTooLong: "a label of the host is longer than 63 bytes"
    case .hyphen: "a label of the host starts or ends with a hyphen"
    case .notASCII: "the host or target has characters outside ASCII; write an international name as xn--…"
    case .control: "the host or target has white space or control characters"
    case .character: "the host has a character that no name has"
    case .userInformation: "the authority has user information before an @"
    case .addressSpelling: "the address is not in its usual spelling"
    case .zone: "the address has a zone"
    case .brackets: "the brackets around the address do not close"
    case .portMissing: "the port is missing"
    case .portMalformed: "the port is not a number from 1 to 65535"
    case .targetForm: "the request target is neither a path nor an http or https URL"
    case .targetScheme: "the scheme of the request target is neither http nor https"
    case .targetTooLong: "the request target is longer than 32768 bytes"
    case .fragment: "the request target has a fragment"
    case .percentEncoding: "the request target has a malformed percent-encoding"
    case .encodedSeparator: "the path has an encoded slash, backslash, dot or control character"
    case .backslash: "the path has a backslash"
    case .dotSegment: "the path has .. as a segment"
    }
  }
}
