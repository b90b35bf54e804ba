#include "engine/decode_session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/error.h"

namespace ggml_transformers {

using Lease = DecodeSession::Lease;

Lease::Lease(std::shared_ptr<DecodeSession> session) : session_(std::move(session)) {
    if (!session_->held_.exchange(true)) return;
    session_.reset();
    throw Error(ErrorCode::InvalidArgument, "The session is in use: one request at a time can have it");
}

Lease::~Lease() {
    if (session_) session_->held_ = false;
}

std::unique_ptr<KvCache> Lease::take(const std::vector<int32_t>& ids, int64_t& past) {
    std::vector<int32_t>& tokens = session_->tokens_;
    const auto most = static_cast<std::ptrdiff_t>(std::min(tokens.size(), ids.size() - 1));
    const auto end = tokens.begin() + most;
    past = session_->cache_->keep(std::mismatch(tokens.begin(), end, ids.begin()).first - tokens.begin());
    tokens.clear();
    session_->written_ = 0;
    return std::exchange(session_->cache_, std::make_unique<KvCache>(session_->layout_));
}

void Lease::put(std::unique_ptr<KvCache> cache, const std::vector<int32_t>& ids, int64_t past) {
    session_->cache_ = std::move(cache);
    session_->tokens_.assign(ids.begin(), ids.begin() + past);
}

std::shared_ptr<DecodeSession> Lease::fork() {
    auto other = std::make_shared<DecodeSession>(session_->layout_, session_->context_);
    const std::vector<int32_t>& tokens = session_->tokens_;
    int64_t kept = 0;
    other->cache_ = session_->cache_->fork(static_cast<int64_t>(tokens.size()), kept);
    other->tokens_.assign(tokens.begin(), tokens.begin() + kept);
    return other;
}

namespace {

void require_groups(int64_t first, int64_t count) {
    if (first % kv_group == 0 && count % kv_group == 0) return;
    throw Error(ErrorCode::InvalidArgument, "Expected multiples of " + std::to_string(kv_group) + " tokens");
}

}  // namespace

int64_t Lease::limit() const { return KvLayout::padded(session_->context_); }

std::vector<float> Lease::read(int64_t first, int64_t count) const {
    require_groups(first, count);
    const KvLayout& layout = session_->layout_;
    std::vector<float> rows(static_cast<size_t>(2 * layout.layers * count * layout.hidden));
    session_->cache_->read(first, count, rows.data());
    return rows;
}

void Lease::write(int64_t first, int64_t count, const float* rows, size_t values) {
    require_groups(first, count);
    const KvLayout& layout = session_->layout_;
    if (first != session_->written_ || !session_->tokens_.empty()) {
        throw Error(ErrorCode::InvalidArgument, "Expected the rows in order, into a session without tokens");
    }
    if (values != static_cast<size_t>(2 * layout.layers * count * layout.hidden)) {
        throw Error(ErrorCode::InvalidArgument, "Expected as many rows as there are tokens");
    }
    const uint64_t missing = session_->cache_->missing_bytes(first + count, session_->context_);
    session_->layout_.memory.require(missing, "The KV cache");
    session_->cache_->reserve(first + count, first, session_->context_);
    session_->cache_->write(first, count, rows);
    session_->written_ += count;
}

void Lease::commit(std::vector<int32_t> ids) {
    if (static_cast<int64_t>(ids.size()) != session_->written_) {
        throw Error(ErrorCode::InvalidArgument, "Expected as many tokens as were written");
    }
    session_->tokens_ = std::move(ids);
    session_->written_ = 0;
}

}  // namespace ggml_transformers
