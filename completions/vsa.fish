# fish completion for vsa

function __vsa_is
    switch $argv[1]
        case corpus
            string match -qr '\.(json|JSON)$' -- $argv[2]; and head -c 400 -- $argv[2] 2>/dev/null | grep -q vsa-corpus
        case snippets
            string match -qr '\.(jsonl|JSONL)$' -- $argv[2]; and head -c 400 -- $argv[2] 2>/dev/null | grep -q vsa-snippets
        case regions
            string match -qr '\.(h5|H5|hdf5|HDF5)$' -- $argv[2]
        case lines
            string match -qr '\.(jsonl|JSONL)$' -- $argv[2]; and head -c 400 -- $argv[2] 2>/dev/null | grep -q vsa-
        case photo
            string match -qr '\.(avif|AVIF|bmp|BMP|gif|GIF|heic|HEIC|heif|HEIF|jpe|JPE|jpeg|JPEG|jpg|JPG|png|PNG|ppm|PPM|tif|TIF|tiff|TIFF|webp|WEBP)$' -- $argv[2]
        case sentences
            string match -qr '\.(json|JSON|jsonl|JSONL|csv|CSV|tsv|TSV|txt|TXT|token|TOKEN|tar|TAR|gz|GZ)$' -- $argv[2]
        case results
            string match -qr '\.(json|JSON|jsonl|JSONL|csv|CSV|tsv|TSV)$' -- $argv[2]
        case boxes
            string match -qr '\.(json|JSON|jsonl|JSONL|gz|GZ)$' -- $argv[2]
        case features
            string match -qr '\.(tsv|TSV|npy|NPY)$' -- $argv[2]
        case weights
            string match -qr '\.(pth|PTH|pt|PT)$' -- $argv[2]
        case vectors
            string match -qr '\.(txt|TXT|bin|BIN|vec|VEC|gz|GZ)$' -- $argv[2]
        case text
            string match -qr '\.(txt|TXT)$' -- $argv[2]
        case generator
            head -c 400 -- $argv[2]/config.json 2>/dev/null | grep -q vsa-generator
        case embedding
            head -c 400 -- $argv[2]/config.json 2>/dev/null | grep -q vsa-embedding
        case model
            head -c 400 -- $argv[2]/config.json 2>/dev/null | grep -q vsa-
        case folder
            test -d $argv[2]
    end
end

function __vsa_takes
    switch "$argv[1] $argv[2]"
        case 'prep --images' 'prep -o' 'prep --output' 'prep --captions-format' 'prep --splits' 'prep --split' 'prep --tune' 'prep --val' 'prep --test' 'prep --min-count' 'prep --unknown' 'prep --restval' 'prep --report' 'prep --seed' 'prep --threads'
            return 0
        case 'extract-regions -o' 'extract-regions --output' 'extract-regions --split' 'extract-regions --images' 'extract-regions --detector' 'extract-regions --top' 'extract-regions --boxes' 'extract-regions --detector-weights' 'extract-regions --cnn' 'extract-regions --cnn-weights' 'extract-regions --describe' 'extract-regions --side' 'extract-regions --photo-side' 'extract-regions --device' 'extract-regions --threads' 'extract-regions --seed'
            return 0
        case 'train-embed -o' 'train-embed --output' 'train-embed --preset' 'train-embed --split' 'train-embed --validate' 'train-embed --encoder' 'train-embed --loss' 'train-embed --size' 'train-embed --hidden-size' 'train-embed --whole-weight' 'train-embed --dropout' 'train-embed --word-dropout' 'train-embed --temperature' 'train-embed --learning-rate' 'train-embed --weight-decay' 'train-embed --batch-size' 'train-embed --epochs' 'train-embed --patience' 'train-embed --word-vectors' 'train-embed --sweep-rates' 'train-embed --sweep-decays' 'train-embed --device' 'train-embed --threads' 'train-embed --seed'
            return 0
        case 'align -m' 'align --model' 'align -o' 'align --output' 'align --split' 'align --beta' 'align --evidence' 'align --scores' 'align --words' 'align --html' 'align --html-limit' 'align --cnn-weights' 'align --cache-dir' 'align --device' 'align --threads'
            return 0
        case 'train-gen -o' 'train-gen --output' 'train-gen --split' 'train-gen --validate' 'train-gen --snippets' 'train-gen --self-critical' 'train-gen --preset' 'train-gen --cell' 'train-gen --attention' 'train-gen --word-size' 'train-gen --hidden-size' 'train-gen --dropout' 'train-gen --label-smoothing' 'train-gen --learning-rate' 'train-gen --batch-size' 'train-gen --epochs' 'train-gen --patience' 'train-gen --device' 'train-gen --threads' 'train-gen --seed'
            return 0
        case 'caption -m' 'caption --model' 'caption --baseline' 'caption --corpus' 'caption --regions-file' 'caption --split' 'caption --min-logprob' 'caption --top-regions' 'caption --beam' 'caption --nbest' 'caption --length-norm' 'caption --groups' 'caption --diversity' 'caption --no-repeat-ngram' 'caption --min-len' 'caption --max-len' 'caption --max-length' 'caption --avoid' 'caption --require' 'caption --temperature' 'caption --top-k' 'caption --top-p' 'caption --format' 'caption -o' 'caption --output' 'caption --annotate' 'caption --sidecar' 'caption --cnn-weights' 'caption --cache-dir' 'caption --batch-size' 'caption --device' 'caption --threads' 'caption --seed'
            return 0
        case 'retrieve -m' 'retrieve --model' 'retrieve --image' 'retrieve --sentences' 'retrieve --corpus' 'retrieve --regions-file' 'retrieve --split' 'retrieve --folds' 'retrieve --top' 'retrieve --format' 'retrieve -o' 'retrieve --output' 'retrieve --cnn-weights' 'retrieve --cache-dir' 'retrieve --device' 'retrieve --threads'
            return 0
        case 'evaluate --references' 'evaluate --split' 'evaluate --metric' 'evaluate --boxes' 'evaluate --folds' 'evaluate --per-image' 'evaluate --fail-under' 'evaluate --compare' 'evaluate --baseline' 'evaluate --document-frequencies' 'evaluate --samples' 'evaluate --seed'
            return 0
        case 'convert -o' 'convert --output' 'convert --split' 'convert --cnn'
            return 0
        case 'pack -o' 'pack --output'
            return 0
        case 'doctor --cache-dir'
            return 0
    end
    return 1
end

# Files of some kinds, and folders to complete further; with -m only model folders, if there are any.
function __vsa_files
    set -l only
    if test $argv[1] = -m
        set only yes
        set -e argv[1]
    end
    set -l found
    set -l folders
    for path in (__fish_complete_path (commandline -ct | string unescape) | string replace -r '\t.*' '')
        set -l fits
        for kind in $argv
            if __vsa_is $kind (string replace -r '^~/' $HOME/ -- $path)
                set fits yes
                break
            end
        end
        if test -n "$fits"
            set -a found $path
        else if string match -q '*/' -- $path
            set -a folders $path
        end
    end
    test -n "$only" -a (count $found) -gt 0; and set folders
    string join \n -- $found $folders
end

function __vsa_in
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]
end

# Whether the word at the cursor is an argument of a command, and which, from 0; "-" is that one or any later.
function __vsa_at
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]; or return 1
    string match -q -- '-*' (commandline -ct); and return 1
    set -l at 0
    set -l skip
    for word in $words[3..-1]
        if test -n "$skip"
            set skip
        else if __vsa_takes $argv[1] $word
            set skip yes
        else if not string match -q -- '-*' $word
            set at (math $at + 1)
        end
    end
    test -z "$skip"; and test $at -ge $argv[2]; and test "$argv[3]" = - -o $at -eq $argv[2]
end

complete -c vsa -f
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -l version -d 'Show the version and exit.'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -l show-completion -x -a 'bash zsh fish' \
    -d 'Print a completion script.'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show the help and exit.'

complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a prep -d 'Prepare a corpus: read sentences, check photographs, divide into splits, count words'
complete -c vsa -n '__vsa_in prep' -l images -x -a '(__vsa_files folder)' -d 'Folder of the photographs; those in tars are unpacked into it.'
complete -c vsa -n '__vsa_in prep' -s o -l output -x -a '(__vsa_files file)' -d 'The corpus to write.'
complete -c vsa -n '__vsa_in prep' -l captions-format -x -a 'auto karpathy coco flickr imagefolder csv sidecar webdataset' -d 'What the caption files are.'
complete -c vsa -n '__vsa_in prep' -l splits -x -a '(__vsa_files text)' -d 'List of a split\'s images, one a line; may be repeated. Without it, lists beside a Flickr token file.'
complete -c vsa -n '__vsa_in prep' -l split -x -a 'train tune val test all' -d 'Split of images whose file does not tell it.'
complete -c vsa -n '__vsa_in prep' -l tune -x -d 'Set the last N train images aside as tune.'
complete -c vsa -n '__vsa_in prep' -l val -x -d 'Draw N train images at random as val.'
complete -c vsa -n '__vsa_in prep' -l test -x -d 'Draw N train images at random as test.'
complete -c vsa -n '__vsa_in prep' -l min-count -x -d 'Keep words that train has at least N times.'
complete -c vsa -n '__vsa_in prep' -l unknown -x -a 'drop unk' -d 'Other words vanish (the paper) or become UNK.'
complete -c vsa -n '__vsa_in prep' -l restval -x -a 'train drop' -d 'COCO\'s restval images join train or are dropped.'
complete -c vsa -n '__vsa_in prep' -l strict -d 'Write nothing if any input failed.'
complete -c vsa -n '__vsa_in prep' -l report -x -a '(__vsa_files file)' -d 'Write every problem to FILE, one JSON a line.'
complete -c vsa -n '__vsa_in prep' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in prep' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in prep' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in prep' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in prep' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in prep' -l dry-run -d 'Print what would be done, and stop.'
complete -c vsa -n '__vsa_in prep' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at prep 0 -' -a '(__vsa_files sentences)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a extract-regions -d 'Find regions in photographs and describe each with a CNN'
complete -c vsa -n '__vsa_in extract-regions' -s o -l output -x -a '(__vsa_files file)' -d 'Where to write.'
complete -c vsa -n '__vsa_in extract-regions' -l split -x -a 'train tune val test all' -d 'Of a corpus: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in extract-regions' -l images -x -a '(__vsa_files folder)' -d 'The photographs\' folder, if it has moved.'
complete -c vsa -n '__vsa_in extract-regions' -l detector -x -a 'selective-search fasterrcnn boxes grid' -d 'What proposes boxes.'
complete -c vsa -n '__vsa_in extract-regions' -l top -x -d 'Boxes kept beside the whole image.'
complete -c vsa -n '__vsa_in extract-regions' -l boxes -x -a '(__vsa_files boxes)' -d 'For --detector boxes: JSON, image id to [[x1,y1,x2,y2]].'
complete -c vsa -n '__vsa_in extract-regions' -l detector-weights -x -a '(__vsa_files weights)' -d 'For --detector fasterrcnn: its weights (.pth).'
complete -c vsa -n '__vsa_in extract-regions' -l cnn -x -a 'efficientnet_lite2 efficientnet_lite0 alexnet vgg16' -d 'efficientnet_lite0 or _lite2, alexnet, vgg16, resnet50 ...'
complete -c vsa -n '__vsa_in extract-regions' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth); the EfficientNet-Lite networks need none.'
complete -c vsa -n '__vsa_in extract-regions' -l describe -x -a 'crop roi' -d 'Pool boxes from one map (roi), or warp each to the CNN\'s input (crop).'
complete -c vsa -n '__vsa_in extract-regions' -l side -x -d 'The CNN\'s input; 0 takes 320 for roi, and for crop the CNN\'s own.'
complete -c vsa -n '__vsa_in extract-regions' -l photo-side -x -d 'Reduce larger photographs to this shorter side first; 0 takes their median.'
complete -c vsa -n '__vsa_in extract-regions' -l device -x -a 'auto cpu cuda mps' -d 'auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in extract-regions' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in extract-regions' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in extract-regions' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in extract-regions' -l resume -d 'Resume an interrupted run.'
complete -c vsa -n '__vsa_in extract-regions' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in extract-regions' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in extract-regions' -l dry-run -d 'Print what would be done, and stop.'
complete -c vsa -n '__vsa_in extract-regions' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at extract-regions 0' -a '(__vsa_files corpus folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a train-embed -d 'Train the alignment model: regions and words in one space'
complete -c vsa -n '__vsa_in train-embed' -s o -l output -x -a '(__vsa_files file)' -d 'Where to write.'
complete -c vsa -n '__vsa_in train-embed' -l preset -x -a 'paper best' -d 'The paper\'s model to the letter, or the strongest known here.'
complete -c vsa -n '__vsa_in train-embed' -l split -x -a 'train tune val test all' -d 'Train on this split.'
complete -c vsa -n '__vsa_in train-embed' -l validate -x -a 'auto train tune val test none' -d 'Choose the best epoch on this split; auto takes tune, else val; or none.'
complete -c vsa -n '__vsa_in train-embed' -l keep-last -d 'Train for all epochs and keep the last, whatever validation says.'
complete -c vsa -n '__vsa_in train-embed' -l encoder -x -a 'brnn gru' -d 'Of sentences; the preset\'s by default.'
complete -c vsa -n '__vsa_in train-embed' -l loss -x -a 'hinge contrastive' -d 'The preset\'s by default.'
complete -c vsa -n '__vsa_in train-embed' -l size -x -d 'Of the shared space; the preset\'s by default.'
complete -c vsa -n '__vsa_in train-embed' -l hidden-size -x -d 'Units of each recurrence; the preset\'s by default.'
complete -c vsa -n '__vsa_in train-embed' -l whole-weight -x -d 'Share of the whole image in the score.'
complete -c vsa -n '__vsa_in train-embed' -l dropout -x -d 'Of every non-recurrent layer.'
complete -c vsa -n '__vsa_in train-embed' -l word-dropout -x -d 'Share of words hidden in training.'
complete -c vsa -n '__vsa_in train-embed' -l temperature -x -d 'Of the contrastive loss; the preset\'s by default.'
complete -c vsa -n '__vsa_in train-embed' -l learning-rate -x -d 'At the start; half a cosine takes it to zero.'
complete -c vsa -n '__vsa_in train-embed' -l weight-decay -x -d 'The preset\'s by default.'
complete -c vsa -n '__vsa_in train-embed' -l batch-size -x -d 'Pairs a step.'
complete -c vsa -n '__vsa_in train-embed' -l epochs -x -d 'Passes over the sentences, at most.'
complete -c vsa -n '__vsa_in train-embed' -l patience -x -d 'Stop after this many epochs without better recalls.'
complete -c vsa -n '__vsa_in train-embed' -l word-vectors -x -a '(__vsa_files vectors)' -d 'Start words from these: word2vec\'s .bin or .txt, or GloVe\'s.'
complete -c vsa -n '__vsa_in train-embed' -l fixed-words -l tuned-words -d 'Keep them as they are (the paper), or let them learn.'
complete -c vsa -n '__vsa_in train-embed' -l sweep -d 'First cross-validate learning rate and weight decay, then train the best.'
complete -c vsa -n '__vsa_in train-embed' -l sweep-rates -x -d 'Learning rates to try; four by default.'
complete -c vsa -n '__vsa_in train-embed' -l sweep-decays -x -d 'Weight decays to try with each; three by default.'
complete -c vsa -n '__vsa_in train-embed' -l device -x -a 'auto cpu cuda mps' -d 'auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in train-embed' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in train-embed' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in train-embed' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in train-embed' -l resume -d 'Resume an interrupted run.'
complete -c vsa -n '__vsa_in train-embed' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in train-embed' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in train-embed' -l dry-run -d 'Print what would be done, and stop.'
complete -c vsa -n '__vsa_in train-embed' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at train-embed 0' -a '(__vsa_files corpus)'
complete -c vsa -n '__vsa_at train-embed 1' -a '(__vsa_files regions)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a align -d 'Give each word of a sentence the region of its photograph that it belongs to'
complete -c vsa -n '__vsa_in align' -s m -l model -x -a '(__vsa_files -m embedding)' -d 'An alignment model; the bundled one by default.'
complete -c vsa -n '__vsa_in align' -s o -l output -x -a '(__vsa_files file)' -d 'Where to write: stdout for a photograph, else snippets.jsonl.'
complete -c vsa -n '__vsa_in align' -l split -x -a 'train tune val test all' -d 'Of a corpus: whose sentences; train by default.'
complete -c vsa -n '__vsa_in align' -l beta -x -d 'Reward of neighbouring words for one region; 0 takes each alone.'
complete -c vsa -n '__vsa_in align' -l evidence -x -a 'contained own' -d 'A region speaks for itself (own, the paper), or with those inside its box.'
complete -c vsa -n '__vsa_in align' -l scores -x -a '(__vsa_files file)' -d 'Of a corpus: write each word\'s score for each region, for vsa evaluate.'
complete -c vsa -n '__vsa_in align' -l words -x -a '(__vsa_files file)' -d 'Of a corpus: write the visual importance of each word, JSON Lines.'
complete -c vsa -n '__vsa_in align' -l html -x -a '(__vsa_files folder)' -d 'Write pages there: photographs, boxes and words in colours.'
complete -c vsa -n '__vsa_in align' -l html-limit -x -d 'Of a corpus: show the first N photographs; all by default.'
complete -c vsa -n '__vsa_in align' -l json -d 'Of a photograph: print JSON.'
complete -c vsa -n '__vsa_in align' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth); the EfficientNet-Lite networks need none.'
complete -c vsa -n '__vsa_in align' -l cache-dir -x -a '(__vsa_files folder)' -d 'Feature cache; ~/.cache/vsa by default.'
complete -c vsa -n '__vsa_in align' -l no-cache -d 'Do not use the feature cache.'
complete -c vsa -n '__vsa_in align' -l device -x -a 'auto cpu cuda mps' -d 'auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in align' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in align' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in align' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in align' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at align 0 -' -a '(__vsa_files photo embedding corpus regions)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a train-gen -d 'Train the sentence generator on photographs and their sentences'
complete -c vsa -n '__vsa_in train-gen' -s o -l output -x -a '(__vsa_files file)' -d 'Where to write.'
complete -c vsa -n '__vsa_in train-gen' -l split -x -a 'train tune val test all' -d 'Train on this split.'
complete -c vsa -n '__vsa_in train-gen' -l validate -x -a 'auto train tune val test none' -d 'Choose the best epoch on this split; auto takes tune, else val; or none.'
complete -c vsa -n '__vsa_in train-gen' -l keep-last -d 'Train for all epochs and keep the last, whatever validation says.'
complete -c vsa -n '__vsa_in train-gen' -l snippets -x -a '(__vsa_files snippets)' -d 'Train on regions and their fragments, from vsa align --split all.'
complete -c vsa -n '__vsa_in train-gen' -l self-critical -x -a '(__vsa_files -m generator)' -d 'Go on from this generator, raising the CIDEr of what it says.'
complete -c vsa -n '__vsa_in train-gen' -l preset -x -a 'paper best' -d 'The paper\'s model to the letter, or the strongest known here, which is the default.'
complete -c vsa -n '__vsa_in train-gen' -l cell -x -a 'rnn gru lstm' -d 'The paper\'s ReLU network (rnn), or a gated one.'
complete -c vsa -n '__vsa_in train-gen' -l attention -x -d 'Heads that look at the regions at every word; 0 for none.'
complete -c vsa -n '__vsa_in train-gen' -l word-size -x -d 'Length of a word\'s vector.'
complete -c vsa -n '__vsa_in train-gen' -l hidden-size -x -d 'Units of the network.'
complete -c vsa -n '__vsa_in train-gen' -l dropout -x -d 'Dropout of every non-recurrent layer.'
complete -c vsa -n '__vsa_in train-gen' -l label-smoothing -x -d 'Share of a target spread over all words.'
complete -c vsa -n '__vsa_in train-gen' -l learning-rate -x -d 'At the start; half a cosine takes it to zero.'
complete -c vsa -n '__vsa_in train-gen' -l batch-size -x -d 'Sentences a step.'
complete -c vsa -n '__vsa_in train-gen' -l epochs -x -d 'Passes over the sentences, at most.'
complete -c vsa -n '__vsa_in train-gen' -l patience -x -d 'Stop after this many epochs without a better perplexity.'
complete -c vsa -n '__vsa_in train-gen' -l device -x -a 'auto cpu cuda mps' -d 'auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in train-gen' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in train-gen' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in train-gen' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in train-gen' -l resume -d 'Resume an interrupted run.'
complete -c vsa -n '__vsa_in train-gen' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in train-gen' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in train-gen' -l dry-run -d 'Print what would be done, and stop.'
complete -c vsa -n '__vsa_in train-gen' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at train-gen 0' -a '(__vsa_files corpus)'
complete -c vsa -n '__vsa_at train-gen 1' -a '(__vsa_files regions)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a caption -d 'Caption photographs'
complete -c vsa -n '__vsa_in caption' -s m -l model -x -a '(__vsa_files -m generator)' -d 'A trained generator; the bundled one by default.'
complete -c vsa -n '__vsa_in caption' -l baseline -x -a 'nearest-neighbour' -d 'Instead of a model: a sentence of the most similar photograph of the corpus\'s train split.'
complete -c vsa -n '__vsa_in caption' -l corpus -x -a '(__vsa_files corpus)' -d 'Caption a split of this corpus instead of photographs.'
complete -c vsa -n '__vsa_in caption' -l regions-file -x -a '(__vsa_files regions)' -d 'With --corpus: its regions.h5.'
complete -c vsa -n '__vsa_in caption' -l split -x -a 'train tune val test all' -d 'With --corpus: train, tune, val, test or all; val by default.'
complete -c vsa -n '__vsa_in caption' -l regions -d 'Caption regions of each photograph as well, with their boxes.'
complete -c vsa -n '__vsa_in caption' -l min-logprob -x -d 'With --regions: the least mean log-probability of a word, in nats.'
complete -c vsa -n '__vsa_in caption' -l top-regions -x -d 'With --regions: keep the N surest.'
complete -c vsa -n '__vsa_in caption' -l beam -x -d 'Hypotheses kept by the search; 1 is argmax.'
complete -c vsa -n '__vsa_in caption' -l nbest -x -d 'Captions for each photograph, best first.'
complete -c vsa -n '__vsa_in caption' -l length-norm -x -d 'Compare captions by log p / length^ALPHA; the model\'s by default.'
complete -c vsa -n '__vsa_in caption' -l groups -x -d 'Diverse search: G groups, of beam / G hypotheses each.'
complete -c vsa -n '__vsa_in caption' -l diversity -x -d 'With --groups: the cost of a word that earlier groups chose.'
complete -c vsa -n '__vsa_in caption' -l no-repeat-ngram -x -d 'No run of N words twice in a caption; 0 lets any.'
complete -c vsa -n '__vsa_in caption' -l min-len -x -d 'Words of the shortest caption.'
complete -c vsa -n '__vsa_in caption' -l max-len -l max-length -x -d 'Words of the longest caption.'
complete -c vsa -n '__vsa_in caption' -l avoid -x -d 'No caption says it. May be repeated.'
complete -c vsa -n '__vsa_in caption' -l require -x -d 'Every caption says it. May be repeated, up to 5 times.'
complete -c vsa -n '__vsa_in caption' -l sample -d 'Draw the words instead of searching; the next three imply it.'
complete -c vsa -n '__vsa_in caption' -l temperature -x -d 'Of the draw: below 1 bolder, above 1 wilder.'
complete -c vsa -n '__vsa_in caption' -l top-k -x -d 'Draw from the K likeliest words only; 0 is all.'
complete -c vsa -n '__vsa_in caption' -l top-p -x -d 'Draw from the likeliest words that hold P only; 1 is all.'
complete -c vsa -n '__vsa_in caption' -l format -x -a 'text json jsonl coco csv html' -d 'Of the output; text by default.'
complete -c vsa -n '__vsa_in caption' -l json -d 'The same as --format json.'
complete -c vsa -n '__vsa_in caption' -s o -l output -x -a '(__vsa_files file)' -d 'Write there instead of to stdout; html fills a DIR.'
complete -c vsa -n '__vsa_in caption' -l annotate -x -a '(__vsa_files folder)' -d 'Write copies there with captions and boxes drawn on them.'
complete -c vsa -n '__vsa_in caption' -l sidecar -x -a '.txt' -d 'Write each caption beside its photograph: photo.txt for .txt.'
complete -c vsa -n '__vsa_in caption' -s 0 -l null -d 'The list on stdin is separated by NUL.'
complete -c vsa -n '__vsa_in caption' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth); the EfficientNet-Lite networks need none.'
complete -c vsa -n '__vsa_in caption' -l cache-dir -x -a '(__vsa_files folder)' -d 'Feature cache; ~/.cache/vsa by default.'
complete -c vsa -n '__vsa_in caption' -l no-cache -d 'Do not use the feature cache.'
complete -c vsa -n '__vsa_in caption' -l batch-size -x -d 'Photographs worded at once.'
complete -c vsa -n '__vsa_in caption' -l device -x -a 'auto cpu cuda mps' -d 'auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in caption' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in caption' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in caption' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in caption' -l resume -d 'Resume an interrupted run.'
complete -c vsa -n '__vsa_in caption' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in caption' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at caption 0 -' -a '(__vsa_files photo folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a retrieve -d 'Find photographs by a sentence, or sentences by a photograph'
complete -c vsa -n '__vsa_in retrieve' -s m -l model -x -a '(__vsa_files -m embedding)' -d 'An alignment model; the bundled one by default.'
complete -c vsa -n '__vsa_in retrieve' -l image -x -a '(__vsa_files photo)' -d 'Find sentences for this photograph, in --sentences.'
complete -c vsa -n '__vsa_in retrieve' -l sentences -x -a '(__vsa_files text)' -d 'With --image: a text file, one sentence a line.'
complete -c vsa -n '__vsa_in retrieve' -l corpus -x -a '(__vsa_files corpus)' -d 'Rank a split of this corpus both ways.'
complete -c vsa -n '__vsa_in retrieve' -l regions-file -x -a '(__vsa_files regions)' -d 'With --corpus: its regions.h5.'
complete -c vsa -n '__vsa_in retrieve' -l split -x -a 'train tune val test all' -d 'With --corpus: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in retrieve' -l folds -x -d 'With --corpus: divide the split, and search each part.'
complete -c vsa -n '__vsa_in retrieve' -l top -x -d 'How many to list.'
complete -c vsa -n '__vsa_in retrieve' -l explain -d 'Tell which box each word found.'
complete -c vsa -n '__vsa_in retrieve' -l format -x -a 'text json jsonl html' -d 'Of the output; text by default.'
complete -c vsa -n '__vsa_in retrieve' -l json -d 'The same as --format json.'
complete -c vsa -n '__vsa_in retrieve' -s o -l output -x -a '(__vsa_files file)' -d 'Write there instead of to stdout; html fills a DIR.'
complete -c vsa -n '__vsa_in retrieve' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth); the EfficientNet-Lite networks need none.'
complete -c vsa -n '__vsa_in retrieve' -l cache-dir -x -a '(__vsa_files folder)' -d 'Feature cache; ~/.cache/vsa by default.'
complete -c vsa -n '__vsa_in retrieve' -l no-cache -d 'Do not use the feature cache.'
complete -c vsa -n '__vsa_in retrieve' -l device -x -a 'auto cpu cuda mps' -d 'auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in retrieve' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in retrieve' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in retrieve' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in retrieve' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at retrieve 1 -' -a '(__vsa_files photo folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a evaluate -d 'Score captions, rankings or alignments'
complete -c vsa -n '__vsa_in evaluate' -l references -x -a '(__vsa_files sentences)' -d 'For captions: corpus.json, COCO captions JSON, a Flickr token file, CSV, TSV or JSON Lines.'
complete -c vsa -n '__vsa_in evaluate' -l split -x -a 'train tune val test all' -d 'Of the references; by default the one that the captions are of.'
complete -c vsa -n '__vsa_in evaluate' -l metric -x -a 'BLEU METEOR ROUGE-L CIDEr' -d 'Score captions by this; may be repeated. By default by all that can be had.'
complete -c vsa -n '__vsa_in evaluate' -l boxes -x -a '(__vsa_files boxes)' -d 'For alignments: the phrases\' true boxes, JSON Lines or gzipped.'
complete -c vsa -n '__vsa_in evaluate' -l folds -x -d 'Rankings must be of K folds; their measures are averaged.'
complete -c vsa -n '__vsa_in evaluate' -l per-image -x -a '(__vsa_files file)' -d 'Write each image\'s scores there, one JSON a line.'
complete -c vsa -n '__vsa_in evaluate' -l fail-under -x -d 'Exit with 5 if it is lower; may be repeated. VALUE may be baseline-0.01: that of --baseline or OLD.'
complete -c vsa -n '__vsa_in evaluate' -l compare -x -a '(__vsa_files results)' -d 'Instead of FILE: what changed from OLD to NEW, with paired bootstrap confidence.'
complete -c vsa -n '__vsa_in evaluate' -l baseline -x -a '(__vsa_files results)' -d 'Tell changes since these scores, saved by --json.'
complete -c vsa -n '__vsa_in evaluate' -l document-frequencies -x -a '(__vsa_files file)' -d 'Weigh CIDEr\'s words by these, or where FILE is not there yet, save them.'
complete -c vsa -n '__vsa_in evaluate' -l strict -d 'Fail where ids do not match or captions are missing, empty or double.'
complete -c vsa -n '__vsa_in evaluate' -l samples -x -d 'Resamplings for intervals.'
complete -c vsa -n '__vsa_in evaluate' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in evaluate' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in evaluate' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in evaluate' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in evaluate' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at evaluate 0' -a '(__vsa_files results)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Tell what an artifact is, how it was made and from what'
complete -c vsa -n '__vsa_in info' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in info' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at info 0' -a '(__vsa_files model corpus regions lines)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a convert -d 'Convert regions.h5 to the files of other programs, and theirs to regions.h5'
complete -c vsa -n '__vsa_in convert' -s o -l output -x -a '(__vsa_files file)' -d 'A .tsv or a folder; or a regions.h5.'
complete -c vsa -n '__vsa_in convert' -l split -x -a 'train tune val test all' -d 'Only this split: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in convert' -l cnn -x -a 'efficientnet_lite2 efficientnet_lite0 alexnet vgg16' -d 'What to call the network that described imported regions.'
complete -c vsa -n '__vsa_in convert' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in convert' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in convert' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in convert' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at convert 0' -a '(__vsa_files regions features)'
complete -c vsa -n '__vsa_at convert 1' -a '(__vsa_files corpus)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a pack -d 'Write a trained model in float16, without what only further training needs: for passing on'
complete -c vsa -n '__vsa_in pack' -s o -l output -x -a '(__vsa_files file)' -d 'Where to write.'
complete -c vsa -n '__vsa_in pack' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in pack' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in pack' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at pack 0' -a '(__vsa_files -m model)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a doctor -d 'Tell what is here of what vsa needs, and how fast this machine captions'
complete -c vsa -n '__vsa_in doctor' -l cache-dir -x -a '(__vsa_files folder)' -d 'Feature cache; ~/.cache/vsa by default.'
complete -c vsa -n '__vsa_in doctor' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in doctor' -s h -l help -d 'Show the help and exit.'
