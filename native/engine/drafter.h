// Speculative decoding: somebody cheaper guesses the next tokens, and the model checks several of them in one
// step. The model chooses every token itself, so that the output is the same as without
// (Leviathan, Kalman and Matias, "Fast Inference from Transformers via Speculative Decoding", 2023).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace ggml_transformers {

class Engine;

// On the engine's thread.
class Drafter {
 public:
    virtual ~Drafter() = default;
    // Begins to guess at most `most` tokens that may follow `tokens`. Throws Error.
    virtual void start(const std::vector<int32_t>& tokens, int64_t most) = 0;
    // Whether the guess is there. Who makes it elsewhere wakes the engine then.
    virtual bool ready() const = 0;
    // The guess, possibly empty, at the end of `tokens`. Throws Error when it went wrong.
    virtual void append_to(std::vector<int32_t>& tokens) = 0;
};

// Guesses that what followed the last tokens before follows again: prompt lookup (Saxena, 2023).
class LookupDrafter final : public Drafter {
 public:
    // Compares the last `ngram` tokens, and fewer of them where so many are nowhere else.
    explicit LookupDrafter(int64_t ngram) : ngram_(ngram) {}

    void start(const std::vector<int32_t>& tokens, int64_t most) override;
    bool ready() const override { return true; }
    void append_to(std::vector<int32_t>& tokens) override;

 private:
    int64_t ngram_;
    int64_t from_ = 0;  // the guess is tokens [from_, from_ + count_)
    int64_t count_ = 0;
};

// A smaller model with the same vocabulary guesses, on its own engine's thread, greedily.
std::unique_ptr<Drafter> make_model_drafter(const std::shared_ptr<Engine>& draft,
                                            const std::shared_ptr<Engine>& target);

}  // namespace ggml_transformers
