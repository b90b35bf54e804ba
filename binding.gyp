# A thin entry for node-gyp, prebuildify and tools that look for it: CMakeLists.txt is the build.
{
  "targets": [
    {
      "target_name": "ggml_transformers",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": [],
          # The second is never made, so that the action always runs: CMake knows what is out of date.
          "outputs": ["<(PRODUCT_DIR)/ggml_transformers.node", "<(PRODUCT_DIR)/.always"],
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
