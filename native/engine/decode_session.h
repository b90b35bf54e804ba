// What a decoder keeps of a sequence between requests: the tokens it has evaluated, their keys and values.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kv_cache.h"

namespace ggml_transformers {

// One at a time holds what is in it; whoever comes second is refused. From any thread.
class DecodeSession {
 public:
    // For at most `context` tokens.
    DecodeSession(const KvLayout& layout, int64_t context)
        : layout_(layout), context_(context), cache_(std::make_unique<KvCache>(layout)) {}

    bool belongs_to(const KvLayout& layout) const { return layout_.in_use == layout.in_use; }

    // Holds the session as long as it lives. Throws Error(InvalidArgument) when somebody else does.
    class Lease {
     public:
        explicit Lease(std::shared_ptr<DecodeSession> session);
        Lease(Lease&& other) noexcept = default;
        Lease& operator=(Lease&&) = delete;
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease();

        const std::vector<int32_t>& tokens() const { return session_->tokens_; }  // evaluated

        // Takes the cache out, prepared for a sequence that begins with `ids`; `past` tells how many of these
        // need no evaluation. At least one is left to evaluate: its logits are wanted.
        std::unique_ptr<KvCache> take(const std::vector<int32_t>& ids, int64_t& past);
        // Gives it back, with the first `past` of these tokens in it.
        void put(std::unique_ptr<KvCache> cache, const std::vector<int32_t>& ids, int64_t past);
        // Another session that has evaluated the same, or nearly: see KvCache::fork.
        std::shared_ptr<DecodeSession> fork();

        // Keys and values of evaluated tokens, [L][2][count, H]; both numbers are multiples of 16.
        // Throws Error(InvalidArgument).
        std::vector<float> read(int64_t first, int64_t count) const;
        // Puts them into a session in order, from 0 to at most limit() tokens; then commit() tells which
        // tokens they were of. Throws Error(InvalidArgument | OutOfMemory).
        void write(int64_t first, int64_t count, const float* rows, size_t values);
        int64_t written() const { return session_->written_; }
        int64_t limit() const;
        void commit(std::vector<int32_t> ids);

     private:
        std::shared_ptr<DecodeSession> session_;
    };

 private:
    KvLayout layout_;
    int64_t context_;
    std::atomic<bool> held_{false};
    int64_t written_ = 0;  // positions that are not of the tokens yet
    std::vector<int32_t> tokens_;
    std::unique_ptr<KvCache> cache_;
};

}  // namespace ggml_transformers
