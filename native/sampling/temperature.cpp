#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Divides logits by the temperature: below 1 sharpens the distribution, above 1 flattens it.
class Temperature final : public Sampler {
 public:
    explicit Temperature(double temperature) : temperature_(temperature) {}

    void apply(Candidates& candidates) override {
        for (Candidate& c : candidates) {
            c.logit = static_cast<float>(static_cast<double>(c.logit) / temperature_);
        }
    }

 private:
    double temperature_;
};

}  // namespace

std::unique_ptr<Sampler> make_temperature(double temperature) {
    return std::make_unique<Temperature>(temperature);
}

}  // namespace ggml_transformers
