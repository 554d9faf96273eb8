import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// Signatures against those of another implementation (botocore 1.43.11), for one key at one moment.
@Suite struct AWSSignerTests {
  struct Vector: Sendable {
    var method: String
    var host: String
    var path: String
    var query: String
    var headers: [(String, String)]
    var body: String
    var region: String
    var service: String
    var signed: String
    var signature: String
  }

  static let vectors: [Vector] = [
    Vector(
      method: "GET", host: "sts.amazonaws.com", path: "/", query: "Action=GetCallerIdentity&Version=2011-06-15",
      headers: [("x-amz-date", "20261126T233000Z")],
      body: "", region: "us-east-1", service: "sts", signed: "host;x-amz-date",
      signature: "e84275511ab0154f47a2362d7cafe8ac059e22c090615177309d21ee54ea1ab9"),
    Vector(
      method: "POST", host: "sts.amazonaws.com", path: "/", query: "",
      headers: [("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("x-amz-date", "20261126T233000Z")],
      body: "Action=GetCallerIdentity&Version=2011-06-15", region: "us-east-1", service: "sts", signed: "content-type;host;x-amz-date",
      signature: "7660fadc2e3c6b574cc538273c71ab8a22194da264afe3b977d49302641f7895"),
    Vector(
      method: "POST", host: "dynamodb.eu-west-1.amazonaws.com", path: "/", query: "",
      headers: [
        ("x-amz-target", "DynamoDB_20120810.ListTables"), ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-date", "20261126T233000Z"), ("x-amz-security-token", "SESSION/token+value=="),
      ],
      body: "{}", region: "eu-west-1", service: "dynamodb", signed: "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
      signature: "afff8b52afdfb39b0ca7fb455970881ca5e555e40cb616d34286e64034509a72"),
    Vector(
      method: "GET", host: "lambda.eu-west-1.amazonaws.com",
      path: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af/a%20b//c",
      query: "Marker=x%20y&Qualifier=%24LATEST&Empty=&a-b=1&a=2&a=1",
      headers: [("x-amz-spaces", "  a   b  c "), ("x-amz-date", "20261126T233000Z")],
      body: "", region: "eu-west-1", service: "lambda", signed: "host;x-amz-date;x-amz-spaces",
      signature: "806066c0ba2b6cf278d422c476ead657136ead2d0211cd6d66c0c9debb9c1a52"),
    Vector(
      method: "GET", host: "bucket.s3.eu-west-1.amazonaws.com", path: "/a%20b/c%2Bd//e~f",
      query: "list-type=2&prefix=a%2Fb&max-keys=5&delimiter=%2F",
      headers: [
        ("x-amz-date", "20261126T233000Z"), ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ],
      body: "", region: "eu-west-1", service: "s3", signed: "host;x-amz-content-sha256;x-amz-date",
      signature: "fb10c97f0529084559704777e658a5fa278ccb59aaef3bd82556e26904e466c3"),
    Vector(
      method: "PUT", host: "bucket.s3.eu-west-1.amazonaws.com", path: "/key.txt", query: "",
      headers: [
        ("content-type", "text/plain"), ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="), ("x-amz-date", "20261126T233000Z"),
        ("x-amz-security-token", "TOKEN"), ("x-amz-content-sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
      ],
      body: "hello", region: "eu-west-1", service: "s3",
      signed: "content-md5;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
      signature: "a165683a72d4dc639c99ab0e091b20f797c1410a911ad17ff77ac6a8452d8069"),
    Vector(
      method: "DELETE", host: "bucket.s3.eu-west-1.amazonaws.com:8443", path: "/k%C3%A9y", query: "versionId=null",
      headers: [
        ("x-amz-date", "20261126T233000Z"), ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ],
      body: "", region: "eu-west-1", service: "s3", signed: "host;x-amz-content-sha256;x-amz-date",
      signature: "bb7c3efc84e08c4ba65f40483e9c442d631bbb7374a2ff42386f7815b2be6b28"),
  ]

  @Test(arguments: vectors)
  func signsLikeAnotherImplementation(vector: Vector) {
    let signer = AWSSigner(
      method: vector.method, path: Array(vector.path.utf8), query: Array(vector.query.utf8),
      headers: [("host", Array(vector.host.utf8))] + vector.headers.map { ($0.0, Array($0.1.utf8)) },
      payload: AWSSigner.hash(Array(vector.body.utf8)), time: "20261126T233000Z", region: vector.region,
      service: vector.service)
    let value = signer.authorization(
      accessKey: Redacted("AKIDEXAMPLE"), secretKey: Redacted("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
    #expect(
      String(decoding: value.reveal(), as: UTF8.self)
        == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261126/\(vector.region)/\(vector.service)/aws4_request, "
        + "SignedHeaders=\(vector.signed), Signature=\(vector.signature)",
      "\(String(decoding: signer.canonicalRequest, as: UTF8.self))")
  }

  private static let signature = String(repeating: "a", count: 64)

  @Test func readsTheField() throws {
    let parsed = try #require(
      AWSAuthorization(
        "AWS4-HMAC-SHA256 Credential=ID/20261126/eu-west-1/s3/aws4_request, SignedHeaders=Host;x-amz-date,Signature=\(Self.signature)"))
    #expect(parsed.accessKey == "ID")
    #expect(parsed.date == "20261126")
    #expect(parsed.region == "eu-west-1")
    #expect(parsed.service == "s3")
    #expect(parsed.signedHeaders == ["host", "x-amz-date"])
  }

  @Test(arguments: [
    "", "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256 Credential=ID/20261126/r/s/aws4_request, SignedHeaders=host, Signature=SIG",
    "AWS4-HMAC-SHA256 Credential=ID/20261126/r/s/aws4_request, SignedHeaders=host",
    "AWS4-HMAC-SHA256 Credential=ID/20261126/r/s/aws4_request, SignedHeaders=host, Signature=short",
    "AWS4-HMAC-SHA256 Credential=ID/20261126/r/s, SignedHeaders=host, Signature=SIG",
    "AWS4-HMAC-SHA256 Credential=ID/2026112/r/s/aws4_request, SignedHeaders=host, Signature=SIG",
    "AWS4-HMAC-SHA256 Credential=ID/20261126/r/s/aws4_request, Credential=ID/20261126/r/s/aws4_request, SignedHeaders=host, Signature=SIG",
    "AWS4-HMAC-SHA256 Credential=ID/20261126/r/s/aws4_request, SignedHeaders=host, Signature=SIG, Extra=1",
    "AWS4-HMAC-SHA256 Credential=I D/20261126/r/s/aws4_request, SignedHeaders=host, Signature=SIG",
    "aws4-hmac-sha256 Credential=ID/20261126/r/s/aws4_request, SignedHeaders=host, Signature=SIG",
  ])
  func refusesOtherFields(text: String) {
    #expect(AWSAuthorization(text.replacing("SIG", with: Self.signature)) == nil)
  }
}
