import NIOCore
import PalanaPolicy
import PalanaSecrets

/// The placeholders of a request body, by its type.
struct BodyPlaces {
  /// Resolves what stands in a text at a place where a secret may stand.
  typealias Resolve = (DecodedText, ValueEncoding, inout PlacedText) throws(Refusal) -> Void

  private let scanner: PlaceholderScanner
  private let resolve: Resolve
  private(set) var text: PlacedText
  /// What a value must not bring into the body: the delimiter of its parts.
  private(set) var delimiter: [UInt8]?

  private init(_ scanner: PlaceholderScanner, _ source: [UInt8], _ resolve: @escaping Resolve) {
    self.scanner = scanner
    self.resolve = resolve
    text = PlacedText(source)
  }

  /// - Parameter type: the value of Content-Type.
  /// - Returns: nil when the body holds no placeholder, in any spelling.
  /// - Throws: ``Refusal`` when it holds one that cannot be replaced.
  static func find(
    _ body: ByteBuffer, type: String?, _ scanner: PlaceholderScanner, _ resolve: @escaping Resolve
  ) throws(Refusal) -> BodyPlaces? {
    guard Spellings.holdPlaceholder(body.readableBytesUInt8Span, scanner) else { return nil }
    guard let type = type.flatMap(MediaType.init) else { throw notRewritable("its type is missing or malformed") }
    guard type.isUTF8 else { throw notRewritable("it is not in UTF-8") }
    var places = BodyPlaces(scanner, Array(buffer: body), resolve)
    if type.isJSON {
      try places.json()
    } else if type.essence == "application/x-www-form-urlencoded" {
      try places.form()
    } else if type.essence == "multipart/form-data" {
      try places.multipart(type.parameter("boundary") ?? "")
    } else {
      throw notRewritable("secrets are put into JSON, form and multipart/form-data bodies only")
    }
    // In a name, a comment, a file or a spelling that its reader would undo later.
    guard !Spellings.holdPlaceholder(places.text.rest.span, scanner) else { throw left }
    return places
  }

  static func notRewritable(_ why: String) -> Refusal {
    Refusal(.bodyNotRewritable, "a placeholder in this body cannot be replaced: \(why)")
  }

  private static let left = Refusal(
    .placeholderLeft, "a placeholder stands in the body where the gateway does not replace it")

  private mutating func json() throws(Refusal) {
    let source = text.source
    var strings: [Range<Int>] = []
    do {
      try JSONStrings.walk(source) { contents, isName in if !isName { strings.append(contents) } }
    } catch JSONStrings.Problem.duplicateName {
      throw Self.notRewritable("an object has two members of one name")
    } catch JSONStrings.Problem.tooDeep {
      throw Self.notRewritable("it is nested too deeply")
    } catch {
      throw Self.notRewritable("it is not well-formed JSON")
    }
    for contents in strings {
      guard let decoded = DecodedText(json: source, in: contents) else { continue }
      try resolve(decoded, .json, &text)
    }
  }

  private mutating func form() throws(Refusal) {
    let form = FormPairs(source: text.source)
    var used: [[UInt8]] = []
    let pairs = form.pairs
    for pair in pairs {
      guard let range = pair.value else { continue }
      let before = text.substitutions.count
      try resolve(form.value(range), .percent, &text)
      guard text.substitutions.count > before else { continue }
      guard !form.isAmbiguous(range) else { throw Self.notRewritable("a value holds a semicolon") }
      used.append(form.name(pair))
    }
    for name in used where pairs.count(where: { form.name($0) == name }) > 1 {
      throw Self.notRewritable("the field with it stands twice")
    }
  }

  private mutating func multipart(_ boundary: String) throws(Refusal) {
    guard let form = MultipartForm(text.source, boundary: boundary) else {
      throw Self.notRewritable("it is not well-formed multipart/form-data")
    }
    delimiter = form.delimiter
    let source = text.source
    for part in form.parts where part.isField {
      let before = text.substitutions.count
      try resolve(DecodedText(plain: source, in: part.contents), .field, &text)
      if text.substitutions.count > before, form.parts.count(where: { $0.name == part.name }) > 1 {
        throw Self.notRewritable("the field with it stands twice")
      }
    }
  }
}
