// node fill.mjs manifest FROM TO VERSION SYSTEM    the manifest of one bundle
// node fill.mjs server FROM TO VERSION BUNDLE...   server.json with the bundles
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

const [what, from, to, version, ...rest] = process.argv.slice(2);
const doc = JSON.parse(readFileSync(from, "utf8"));
doc.version = version;

if (what === "manifest") {
  const platform = { windows: "win32" }[rest[0]] ?? rest[0];
  if (platform === "win32") {
    doc.server.entry_point += ".exe";
    doc.server.mcp_config.command += ".exe";
  }
  doc.compatibility.platforms = [platform];
} else {
  doc.packages = rest.map((file) => ({
    registryType: "mcpb",
    identifier: `${doc.repository.url}/releases/download/v${version}/${basename(file)}`,
    version,
    fileSha256: createHash("sha256").update(readFileSync(file)).digest("hex"),
    transport: { type: "stdio" },
  }));
}
writeFileSync(to, JSON.stringify(doc, null, 2) + "\n");
