import PalanaAPI
import Testing

@Suite struct CostTests {
  @Test(
    arguments: [
      (0, "$0.000000"), (1, "$0.000000001"), (1_000, "$0.000001"), (1_234_500, "$0.0012345"), (2_500_000_000, "$2.500000"),
      (-30, "-$0.00000003"), (Int64.min, "-$9223372036.854775808"),
    ] as [(Int64, String)])
  func isReadable(_ nanoDollars: Int64, _ text: String) {
    #expect(Cost(nanoDollars: nanoDollars).description == text)
  }

  @Test func aSumEndsAtTheLargest() {
    #expect(Cost(nanoDollars: .max) + Cost(nanoDollars: 1) == Cost(nanoDollars: .max))
    #expect(Cost(nanoDollars: 3) + Cost(nanoDollars: 4) == Cost(nanoDollars: 7))
  }
}
