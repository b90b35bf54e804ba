# A thin entry for node-gyp, prebuildify and tools that look for it: CMakeLists.txt is the build.
{
  "targets": [
    {
      "target_name": "ggml_transformers",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": [
            "CMakeLists.txt",
            "scripts/build-native.mjs",
            "vendor/ggml.lock.json",
            "<!@(node -p \"require('fs').readdirSync('native',{recursive:true}).filter(f=>/\\.(cpp|h)$/.test(f)).map(f=>'native/'+f.replace(/\\\\/g,'/')).join(' ')\")"
          ],
          "outputs": ["<(PRODUCT_DIR)/ggml_transformers.node"],
          "action": [
            "node",
            "scripts/build-native.mjs",
            "--arch=<(target_arch)",
            "--output=<(PRODUCT_DIR)"
          ]
        }
      ]
    }
  ]
}
