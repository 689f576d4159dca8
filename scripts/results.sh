#!/bin/bash
# usage: results.sh [--quick]
# Regenerates docs/results.md and its figures: a full run of the comparison on Fashion-MNIST (5 seeds; a sweep over
# learning rates and one over batch sizes) and of all published claims. Takes about half an hour on two cores; --quick,
# for trying, takes less than ten minutes. Results that are already in out/results are not computed again.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=5
steps=()
limit=()
quick=()
if [[ ${1:-} == --quick ]]; then
  seeds=2
  steps=(--steps 300)
  limit=(--train-limit 6000)
  quick=(--quick)
elif [[ $# -gt 0 ]]; then
  echo "usage: scripts/results.sh [--quick]" >&2
  exit 2
fi

scripts/setup.sh run
scripts/build.sh build compare_norms reproduce

out=out/results
images=docs/images
page=$out/results.md
mkdir -p "$out" "$images"

# run NAME TITLE TEXT [options of compare_norms]: runs a comparison and writes its part of the page.
run() {
  local name=$1 title=$2 text=$3
  shift 3
  build/examples/compare_norms "$@" --out "$out/$name" >"$out/$name.txt"
  cp "$out/$name/curves.png" "$images/results_$name.png"
  {
    printf '\n## %s\n\n%s\n\n```sh\nbuild/examples/compare_norms' "$title" "$text"
    printf ' %s' "$@"
    printf '\n```\n\n'
    cat "$out/$name/summary.md"
    printf '\n![%s](images/results_%s.png)\n' "$title" "$name"
  } >>"$page"
}

{
  echo '# Results'
  echo
  echo "As produced by \`scripts/results.sh${quick[*]:+ ${quick[*]}}\` on $(date +%F), on $(nproc) cores of load $(cut -d' ' -f1 /proc/loadavg) before. Accuracies are medians over"
  echo 'the seeds on the 10,000 test images of Fashion-MNIST, in per cent, with 95 % bootstrap intervals; differences are'
  echo 'taken seed by seed. Times are of one thread with as many runs at once as there are cores.'
} >"$page"

run default 'Both models with every norm' \
  'The model of the BatchNorm paper, and a small CNN.' \
  --models mlp,cnn --seeds "$seeds" "${steps[@]}"
run rates 'Learning rates' \
  'A net of eight ReLU layers at rates from 0.01 to 3.' \
  --models deep-mlp:8 --norms none,batch,layer,group,rms --lrs 0.01,0.03,0.1,0.3,1,3 --seeds "$seeds" --targets 80 "${steps[@]}"
run batches 'Batch sizes' \
  'The residual net with the same number of images, the learning rate being the same for all.' \
  --models resnet --norms none,batch,layer,instance,group --batch-sizes 4,16,64 --lr 0.01 \
  --epochs 0.25 --eval-every 500 --seeds "$((seeds < 3 ? seeds : 3))" --targets 80 "${limit[@]}"
run high_rate 'A convolutional net at a high learning rate' \
  'At 0.2 with momentum 0.9 it is a matter of the seed whether `cnn` trains or stays at chance.' \
  --models cnn --lr 0.2 --momentum 0.9 --norms none,layer,group,batch --seeds "$seeds" --epochs 1 --batch-size 64 --eval-every 100 "${limit[@]}"

{
  printf '\n# Published claims, run again\n\n```sh\nbuild/examples/reproduce all%s\n```\n' "${quick[*]:+ ${quick[*]}}"
  for name in mean-field detach-norm learning-rate gn-batch-size sync-bn bn-figure1 lenet-fashion pre-post-ln deepnorm \
    qk-norm rmsnorm dyt batch-renorm ghost-batch frn ws-gn spectral; do
    [[ -f $out/reproduce/$name.md ]] || build/examples/reproduce "$name" "${quick[@]}" --out "$out/reproduce" >&2
    echo
    sed "s#($name.png)#(images/reproduce_$name.png)#" "$out/reproduce/$name.md"
    [[ ! -f $out/reproduce/$name.png ]] || cp "$out/reproduce/$name.png" "$images/reproduce_$name.png"
  done
} >>"$page"
cp "$page" docs/results.md
echo "wrote docs/results.md"
