import PalanaAPI
import PalanaCore
import Testing

@Suite struct ImageReferenceTests {
  @Test(arguments: [
    ("host", ImageReference.host),
    ("oci-archive:/tmp/a.tar", .archive(path: "/tmp/a.tar")),
    ("oci:/var/lib/image", .layout(path: "/var/lib/image", tag: nil)),
    ("oci:/var/lib/image:v1", .layout(path: "/var/lib/image", tag: "v1")),
    ("python", .registry("python")), ("python:3.12-slim", .registry("python:3.12-slim")),
    ("docker.io/library/python:3.12", .registry("docker.io/library/python:3.12")),
    ("docker://ghcr.io/a/b", .registry("ghcr.io/a/b")),
    ("localhost:5000/a/b_c__d.e-f:latest", .registry("localhost:5000/a/b_c__d.e-f:latest")),
    ("a/b@sha256:" + String(repeating: "0", count: 64), .registry("a/b@sha256:" + String(repeating: "0", count: 64))),
  ])
  func forms(_ text: String, _ reference: ImageReference) throws {
    #expect(try ImageReference(text) == reference)
    #expect(try ImageReference(reference.description) == reference)
  }

  @Test(arguments: [
    "", "Host", "oci-archive:", "oci-archive:rel", "oci-archive:/a/../b", "oci-archive:/a:b", "oci-archive:/a\nb",
    "oci-archive:/",
    "oci:", "oci:rel", "oci:/a:", "oci:/a:-x", "oci:/a:b:c", "Python", "python:", "python:a b", "/python", "python/",
    "a//b", "-a",
    "a/-b", "a..b/c", "exa_mple.com:5000/a", "host:99999/a", "a@sha256:00",
    "a@md5:" + String(repeating: "0", count: 32),
    "--option", "a b", "docker://", "dir:/tmp/x", "docker-daemon:x:y", "http://a/b",
    String(repeating: "a", count: 2000),
  ])
  func refused(_ text: String) {
    #expect(throws: PalanaError.self) { try ImageReference(text) }
  }
}
