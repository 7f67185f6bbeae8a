# bash completion for vsa

_vsa_is() {
  case $1 in
    (corpus) case $2 in (*.json|*.JSON) head -c 400 -- "$2" 2>/dev/null | grep -q vsa-corpus ;; (*) false ;; esac ;;
    (snippets) case $2 in (*.jsonl|*.JSONL) head -c 400 -- "$2" 2>/dev/null | grep -q vsa-snippets ;; (*) false ;; esac ;;
    (calibration) case $2 in (*.json|*.JSON) head -c 400 -- "$2" 2>/dev/null | grep -q vsa-calibration ;; (*) false ;; esac ;;
    (regions) case $2 in (*.h5|*.H5|*.hdf5|*.HDF5) true ;; (*) false ;; esac ;;
    (lines) case $2 in (*.jsonl|*.JSONL) head -c 400 -- "$2" 2>/dev/null | grep -q vsa- ;; (*) false ;; esac ;;
    (photo) case $2 in (*.apng|*.APNG|*.avif|*.AVIF|*.bmp|*.BMP|*.dib|*.DIB|*.gif|*.GIF|*.heic|*.HEIC|*.heif|*.HEIF|*.jfif|*.JFIF|*.jif|*.JIF|*.jpe|*.JPE|*.jpeg|*.JPEG|*.jpg|*.JPG|*.pbm|*.PBM|*.pgm|*.PGM|*.png|*.PNG|*.pnm|*.PNM|*.ppm|*.PPM|*.tif|*.TIF|*.tiff|*.TIFF|*.webp|*.WEBP) true ;; (*) false ;; esac ;;
    (sentences) case $2 in (*.json|*.JSON|*.jsonl|*.JSONL|*.csv|*.CSV|*.tsv|*.TSV|*.txt|*.TXT|*.token|*.TOKEN|*.tar|*.TAR|*.gz|*.GZ) true ;; (*) false ;; esac ;;
    (results) case $2 in (*.json|*.JSON|*.jsonl|*.JSONL|*.csv|*.CSV|*.tsv|*.TSV) true ;; (*) false ;; esac ;;
    (boxes) case $2 in (*.json|*.JSON|*.jsonl|*.JSONL|*.gz|*.GZ) true ;; (*) false ;; esac ;;
    (features) case $2 in (*.tsv|*.TSV|*.npy|*.NPY) true ;; (*) false ;; esac ;;
    (weights) case $2 in (*.pth|*.PTH|*.pt|*.PT) true ;; (*) false ;; esac ;;
    (vectors) case $2 in (*.txt|*.TXT|*.bin|*.BIN|*.vec|*.VEC|*.gz|*.GZ) true ;; (*) false ;; esac ;;
    (text) case $2 in (*.txt|*.TXT) true ;; (*) false ;; esac ;;
    (generator) head -c 400 -- "$2/config.json" 2>/dev/null | grep -q vsa-generator ;;
    (embedding) head -c 400 -- "$2/config.json" 2>/dev/null | grep -q vsa-embedding ;;
    (model) head -c 400 -- "$2/config.json" 2>/dev/null | grep -q vsa- ;;
    (folder) [ -d "$2" ] ;;
    (*) true ;;
  esac
}

_vsa_value() {
  case "$1 $2" in
    "caption -m"|"caption --model") _vsa_files -m generator ;;
    "caption --beam") : ;;
    "caption --nbest") : ;;
    "caption --format") _vsa_words text json jsonl coco csv html ;;
    "caption -o"|"caption --output") _vsa_files file ;;
    "caption --min-confidence") : ;;
    "caption --min-logprob") : ;;
    "caption --top-regions") : ;;
    "caption --length-norm") : ;;
    "caption --min-len"|"caption --min-length") : ;;
    "caption --max-len"|"caption --max-length") : ;;
    "caption --no-repeat-ngram") : ;;
    "caption --avoid") : ;;
    "caption --require") : ;;
    "caption --style") : ;;
    "caption --groups") : ;;
    "caption --diversity") : ;;
    "caption --temperature") : ;;
    "caption --top-k") : ;;
    "caption --top-p") : ;;
    "caption --corpus") _vsa_files corpus ;;
    "caption --regions-file") _vsa_files regions ;;
    "caption --split") _vsa_words train tune val test all ;;
    "caption --baseline") _vsa_words nearest-neighbour ;;
    "caption --sidecar") _vsa_words .txt ;;
    "caption --annotate") _vsa_files folder ;;
    "caption --shard") : ;;
    "caption --batch-size") : ;;
    "caption --cnn-weights") _vsa_files weights ;;
    "caption --cache-dir") _vsa_files folder ;;
    "caption --detector") _vsa_words auto selective-search ssd ;;
    "caption --device") _vsa_words auto cpu cuda mps ;;
    "caption --runtime") _vsa_words torch openvino ;;
    "caption --threads") : ;;
    "caption --seed") : ;;
    "retrieve -m"|"retrieve --model") _vsa_files -m embedding ;;
    "retrieve --top") : ;;
    "retrieve --index") _vsa_files folder ;;
    "retrieve --images") _vsa_files folder ;;
    "retrieve --candidates") : ;;
    "retrieve --port") : ;;
    "retrieve --host") : ;;
    "retrieve --image") _vsa_files photo ;;
    "retrieve --sentences") _vsa_files text ;;
    "retrieve --corpus") _vsa_files corpus ;;
    "retrieve --regions-file") _vsa_files regions ;;
    "retrieve --split") _vsa_words train tune val test all ;;
    "retrieve --folds") : ;;
    "retrieve --format") _vsa_words text json jsonl html ;;
    "retrieve -o"|"retrieve --output") _vsa_files file ;;
    "retrieve --cnn-weights") _vsa_files weights ;;
    "retrieve --cache-dir") _vsa_files folder ;;
    "retrieve --device") _vsa_words auto cpu cuda mps ;;
    "retrieve --runtime") _vsa_words torch openvino ;;
    "retrieve --threads") : ;;
    "index -o"|"index --output") _vsa_files folder ;;
    "index -m"|"index --model") _vsa_files -m embedding ;;
    "index --shard") : ;;
    "index --sentences") _vsa_files text ;;
    "index --corpus") _vsa_files corpus ;;
    "index --regions-file") _vsa_files regions ;;
    "index --split") _vsa_words train tune val test all ;;
    "index --cnn-weights") _vsa_files weights ;;
    "index --cache-dir") _vsa_files folder ;;
    "index --device") _vsa_words auto cpu cuda mps ;;
    "index --runtime") _vsa_words torch openvino ;;
    "index --threads") : ;;
    "align -m"|"align --model") _vsa_files -m embedding ;;
    "align --beta") : ;;
    "align --evidence") _vsa_words contained own ;;
    "align --corpus") _vsa_files corpus ;;
    "align --regions-file") _vsa_files regions ;;
    "align --split") _vsa_words train tune val test all ;;
    "align --scores") _vsa_files file ;;
    "align --words") _vsa_files file ;;
    "align --html-limit") : ;;
    "align -o"|"align --output") _vsa_files file ;;
    "align --html") _vsa_files folder ;;
    "align --cnn-weights") _vsa_files weights ;;
    "align --cache-dir") _vsa_files folder ;;
    "align --device") _vsa_words auto cpu cuda mps ;;
    "align --runtime") _vsa_words torch openvino ;;
    "align --threads") : ;;
    "prep --images") _vsa_files folder ;;
    "prep -o"|"prep --output") _vsa_files file ;;
    "prep --captions-format") _vsa_words auto karpathy coco flickr imagefolder list csv text sidecar webdataset plain ;;
    "prep --splits") _vsa_files text ;;
    "prep --split") _vsa_words train tune val test all ;;
    "prep --tune") : ;;
    "prep --val") : ;;
    "prep --test") : ;;
    "prep --style") : ;;
    "prep --min-count") : ;;
    "prep --unknown") _vsa_words drop unk ;;
    "prep --restval") _vsa_words train drop ;;
    "prep --report") _vsa_files file ;;
    "prep --seed") : ;;
    "prep --threads") : ;;
    "extract-regions -o"|"extract-regions --output") _vsa_files file ;;
    "extract-regions --split") _vsa_words train tune val test all ;;
    "extract-regions --images") _vsa_files folder ;;
    "extract-regions --detector") _vsa_words selective-search ssd fasterrcnn boxes grid ;;
    "extract-regions --top") : ;;
    "extract-regions --boxes") _vsa_files boxes ;;
    "extract-regions --detector-weights") _vsa_files weights ;;
    "extract-regions --cnn") _vsa_words efficientnet_lite2 efficientnet_lite0 alexnet vgg16 ;;
    "extract-regions --cnn-weights") _vsa_files weights ;;
    "extract-regions --describe") _vsa_words crop roi ;;
    "extract-regions --side") : ;;
    "extract-regions --photo-side") : ;;
    "extract-regions --cnn-of") : ;;
    "extract-regions --device") _vsa_words auto cpu cuda mps ;;
    "extract-regions --runtime") _vsa_words torch openvino ;;
    "extract-regions --precision") _vsa_words float32 bf16 ;;
    "extract-regions --threads") : ;;
    "extract-regions --seed") : ;;
    "extract-regions --shard") : ;;
    "train-labels -o"|"train-labels --output") _vsa_files file ;;
    "train-labels --corpus") _vsa_files corpus ;;
    "train-labels --teacher") _vsa_files regions ;;
    "train-labels --names") _vsa_files file ;;
    "train-labels --split") _vsa_words train tune val test all ;;
    "train-labels --validate") _vsa_words auto train tune val test none ;;
    "train-labels --epochs") : ;;
    "train-labels --patience") : ;;
    "train-labels --learning-rate") : ;;
    "train-labels --batch-size") : ;;
    "train-labels --mention-weight") : ;;
    "train-labels --folds") : ;;
    "train-labels --hidden-size") : ;;
    "train-labels --device") _vsa_words auto cpu cuda mps ;;
    "train-labels --threads") : ;;
    "train-labels --seed") : ;;
    "train-embed -o"|"train-embed --output") _vsa_files file ;;
    "train-embed --preset") _vsa_words paper best ;;
    "train-embed --start") _vsa_files file ;;
    "train-embed --split") _vsa_words train tune val test all ;;
    "train-embed --validate") _vsa_words auto train tune val test none ;;
    "train-embed --also") _vsa_files corpus ;;
    "train-embed --unpaired") _vsa_files regions ;;
    "train-embed --labels") _vsa_files -m model ;;
    "train-embed --epochs") : ;;
    "train-embed --patience") : ;;
    "train-embed --learning-rate") : ;;
    "train-embed --weight-decay") : ;;
    "train-embed --batch-size") : ;;
    "train-embed --loss") _vsa_words hinge contrastive ;;
    "train-embed --temperature") : ;;
    "train-embed --encoder") _vsa_words brnn gru ;;
    "train-embed --size") : ;;
    "train-embed --hidden-size") : ;;
    "train-embed --whole-weight") : ;;
    "train-embed --dropout") : ;;
    "train-embed --word-dropout") : ;;
    "train-embed --word-vectors") _vsa_files vectors ;;
    "train-embed --cnn-rate") : ;;
    "train-embed --sweep-rates") : ;;
    "train-embed --sweep-decays") : ;;
    "train-embed --device") _vsa_words auto cpu cuda mps ;;
    "train-embed --precision") _vsa_words float32 bf16 ;;
    "train-embed --threads") : ;;
    "train-embed --memory") : ;;
    "train-embed --seed") : ;;
    "train-gen -o"|"train-gen --output") _vsa_files file ;;
    "train-gen --preset") _vsa_words paper best ;;
    "train-gen --split") _vsa_words train tune val test all ;;
    "train-gen --validate") _vsa_words auto train tune val test none ;;
    "train-gen --snippets") _vsa_files snippets ;;
    "train-gen --start") _vsa_files file ;;
    "train-gen --self-critical") _vsa_files -m generator ;;
    "train-gen --also") _vsa_files corpus ;;
    "train-gen --text") _vsa_files corpus ;;
    "train-gen --labels") _vsa_files -m model ;;
    "train-gen --tags") : ;;
    "train-gen --also-snippets") _vsa_files snippets ;;
    "train-gen --epochs") : ;;
    "train-gen --patience") : ;;
    "train-gen --learning-rate") : ;;
    "train-gen --batch-size") : ;;
    "train-gen --label-smoothing") : ;;
    "train-gen --cell") _vsa_words rnn gru lstm ;;
    "train-gen --attention") : ;;
    "train-gen --word-size") : ;;
    "train-gen --hidden-size") : ;;
    "train-gen --dropout") : ;;
    "train-gen --device") _vsa_words auto cpu cuda mps ;;
    "train-gen --precision") _vsa_words float32 bf16 ;;
    "train-gen --threads") : ;;
    "train-gen --memory") : ;;
    "train-gen --seed") : ;;
    "calibrate -m"|"calibrate --model") _vsa_files -m generator ;;
    "calibrate -o"|"calibrate --output") _vsa_files file ;;
    "calibrate --split") _vsa_words train tune val test all ;;
    "calibrate --also") _vsa_files corpus ;;
    "calibrate --names") _vsa_files file ;;
    "calibrate --batch-size") : ;;
    "calibrate --device") _vsa_words auto cpu cuda mps ;;
    "calibrate --threads") : ;;
    "evaluate --references") _vsa_files sentences ;;
    "evaluate --split") _vsa_words train tune val test all ;;
    "evaluate --metric") _vsa_words BLEU METEOR ROUGE-L CIDEr ;;
    "evaluate --document-frequencies") _vsa_files file ;;
    "evaluate --boxes") _vsa_files boxes ;;
    "evaluate --folds") : ;;
    "evaluate --compare") _vsa_files results ;;
    "evaluate --baseline") _vsa_files results ;;
    "evaluate --fail-under") : ;;
    "evaluate --samples") : ;;
    "evaluate --seed") : ;;
    "evaluate --per-image") _vsa_files file ;;
    "convert -o"|"convert --output") _vsa_files file ;;
    "convert --split") _vsa_words train tune val test all ;;
    "convert --cnn") _vsa_words efficientnet_lite2 efficientnet_lite0 alexnet vgg16 ;;
    "pack -o"|"pack --output") _vsa_files file ;;
    "pack --calibration") _vsa_files calibration ;;
    "pack --labels") _vsa_files -m model ;;
    "pack --bank") _vsa_files corpus ;;
    "doctor --cache-dir") _vsa_files folder ;;
    *) return 1 ;;
  esac
  return 0
}

# Files of some kinds, and folders to complete further; with -m only model folders, if there are any.
_vsa_files() {
  local path kind only found=() folders=()
  [[ $1 == -m ]] && only=1 && shift
  cur=${cur//\\/}
  while IFS= read -r path; do
    for kind in "$@"; do
      _vsa_is "$kind" "$path" && found+=("$path") && continue 2
    done
    [[ -d $path ]] && folders+=("$path")
  done < <(compgen -f -- "${cur/#\~\//$HOME/}")
  [[ $only && ${#found[@]} -gt 0 ]] && folders=()
  COMPREPLY=("${found[@]}" "${folders[@]}")
  compopt -o filenames 2>/dev/null
}

_vsa_words() {
  COMPREPLY=($(compgen -W "$*" -- "$cur"))
}

_vsa() {
  local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} at=0 i
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _vsa_words caption retrieve index align prep extract-regions train-labels train-embed train-gen calibrate evaluate info convert pack doctor --version --show-completion --help
    return
  fi
  if [[ $cur == = ]]; then
    cur=
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  _vsa_value "$command" "$before" && return
  if [[ $cur == -* ]]; then
    case $command in
      caption) _vsa_words -m --model --beam --nbest --format --json -o --output --objects --min-confidence --region-captions --min-logprob --top-regions --length-norm --min-len --min-length --max-len --max-length --no-repeat-ngram --avoid --require --consensus --likeliest --repeat --no-repeat --style --groups --diversity --sample --temperature --top-k --top-p --corpus --regions-file --split --baseline --sidecar --annotate -f --force --resume --shard --join -0 --null --batch-size --cnn-weights --cache-dir --no-cache --detector --device --runtime --threads --seed -q --quiet -h --help ;;
      retrieve) _vsa_words -m --model --top --explain --index --images --candidates --exact --serve --port --host --image --sentences --corpus --regions-file --split --folds --format --json --strict -0 --null -o --output --cnn-weights --cache-dir --no-cache --device --runtime --threads -f --force -q --quiet -h --help ;;
      index) _vsa_words -o --output -m --model --merge --shard --sentences --corpus --regions-file --split -0 --null --cnn-weights --cache-dir --no-cache --device --runtime --threads -f --force --json -q --quiet -h --help ;;
      align) _vsa_words -m --model --beta --evidence --corpus --regions-file --split --scores --words --html-limit -o --output --html --json --strict --cnn-weights --cache-dir --no-cache --device --runtime --threads -f --force -q --quiet -h --help ;;
      prep) _vsa_words --images -o --output --captions-format --splits --split --tune --val --test --style --min-count --unknown --characters --restval --strict --report --seed --threads -f --force -q --quiet --json --dry-run -h --help ;;
      extract-regions) _vsa_words -o --output --split --images --detector --top --boxes --detector-weights --cnn --cnn-weights --describe --side --photo-side --cnn-of --keep-maps --details --mirrored --device --runtime --precision --threads --seed -f --force --resume --shard --join -q --quiet --json --dry-run -h --help ;;
      train-labels) _vsa_words -o --output --corpus --teacher --names --split --validate --epochs --patience --learning-rate --batch-size --mention-weight --folds --hidden-size --device --threads --seed -f --force --resume -q --quiet --json --dry-run -h --help ;;
      train-embed) _vsa_words -o --output --preset --start --split --validate --also --unpaired --labels --epochs --patience --keep-last --mirrored --learning-rate --weight-decay --batch-size --loss --temperature --encoder --size --hidden-size --whole-weight --dropout --word-dropout --word-vectors --fixed-words --tuned-words --tune-cnn --cnn-rate --sweep --sweep-rates --sweep-decays --device --precision --threads --memory --seed -f --force --resume -q --quiet --json --dry-run -h --help ;;
      train-gen) _vsa_words -o --output --preset --split --validate --snippets --start --self-critical --also --text --labels --tags --also-snippets --epochs --patience --keep-last --mirrored --learning-rate --batch-size --label-smoothing --cell --attention --word-size --hidden-size --dropout --device --precision --threads --memory --seed -f --force --resume -q --quiet --json --dry-run -h --help ;;
      calibrate) _vsa_words -m --model -o --output --split --also --names --batch-size --device --threads -f --force -q --quiet --json -h --help ;;
      evaluate) _vsa_words --references --split --metric --strict --document-frequencies --boxes --folds --compare --baseline --fail-under --samples --seed --per-image --json -f --force -q --quiet -h --help ;;
      info) _vsa_words --json -h --help ;;
      convert) _vsa_words -o --output --split --cnn -f --force -q --quiet --json -h --help ;;
      pack) _vsa_words -o --output --calibration --labels --bank -f --force -q --quiet -h --help ;;
      doctor) _vsa_words --cache-dir --json -h --help ;;
    esac
    return
  fi
  for ((i = 2; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i + 1]} == = ]]; then
      ((i += 2))
    elif _vsa_value "$command" "${COMP_WORDS[i]}"; then
      ((i++))
    elif [[ ${COMP_WORDS[i]} != -* ]]; then
      ((at++))
    fi
  done
  COMPREPLY=()
  case "$command $at" in
    "caption "*) _vsa_files photo folder ;;
    "retrieve "0) : ;;
    "retrieve "*) _vsa_files photo folder ;;
    "index "*) _vsa_files photo folder ;;
    "align "0) _vsa_files photo ;;
    "align "*) _vsa_files text ;;
    "prep "*) _vsa_files sentences ;;
    "extract-regions "0) _vsa_files corpus folder ;;
    "train-labels "*) _vsa_files regions ;;
    "train-embed "0) _vsa_files corpus ;;
    "train-embed "1) _vsa_files regions ;;
    "train-gen "0) _vsa_files corpus ;;
    "train-gen "1) _vsa_files regions ;;
    "calibrate "0) _vsa_files corpus ;;
    "calibrate "1) _vsa_files regions ;;
    "evaluate "0) _vsa_files results ;;
    "info "0) _vsa_files model folder corpus regions lines calibration ;;
    "convert "0) _vsa_files regions features ;;
    "convert "1) _vsa_files corpus ;;
    "pack "0) _vsa_files -m model ;;
  esac
}

complete -F _vsa vsa
