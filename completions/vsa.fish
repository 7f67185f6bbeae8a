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
            string match -qr '\.(apng|APNG|avif|AVIF|bmp|BMP|dib|DIB|gif|GIF|heic|HEIC|heif|HEIF|jfif|JFIF|jif|JIF|jpe|JPE|jpeg|JPEG|jpg|JPG|pbm|PBM|pgm|PGM|png|PNG|pnm|PNM|ppm|PPM|tif|TIF|tiff|TIFF|webp|WEBP)$' -- $argv[2]
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
        case 'train-embed -o' 'train-embed --output' 'train-embed --preset' 'train-embed --split' 'train-embed --validate' 'train-embed --epochs' 'train-embed --patience' 'train-embed --learning-rate' 'train-embed --weight-decay' 'train-embed --batch-size' 'train-embed --loss' 'train-embed --temperature' 'train-embed --encoder' 'train-embed --size' 'train-embed --hidden-size' 'train-embed --whole-weight' 'train-embed --dropout' 'train-embed --word-dropout' 'train-embed --word-vectors' 'train-embed --sweep-rates' 'train-embed --sweep-decays' 'train-embed --device' 'train-embed --threads' 'train-embed --seed'
            return 0
        case 'align -m' 'align --model' 'align --beta' 'align --evidence' 'align --corpus' 'align --regions-file' 'align --split' 'align --scores' 'align --words' 'align --html-limit' 'align -o' 'align --output' 'align --html' 'align --cnn-weights' 'align --cache-dir' 'align --device' 'align --threads'
            return 0
        case 'train-gen -o' 'train-gen --output' 'train-gen --preset' 'train-gen --split' 'train-gen --validate' 'train-gen --snippets' 'train-gen --self-critical' 'train-gen --epochs' 'train-gen --patience' 'train-gen --learning-rate' 'train-gen --batch-size' 'train-gen --label-smoothing' 'train-gen --cell' 'train-gen --attention' 'train-gen --word-size' 'train-gen --hidden-size' 'train-gen --dropout' 'train-gen --device' 'train-gen --threads' 'train-gen --seed'
            return 0
        case 'caption -m' 'caption --model' 'caption --beam' 'caption --nbest' 'caption --format' 'caption -o' 'caption --output' 'caption --min-logprob' 'caption --top-regions' 'caption --length-norm' 'caption --min-len' 'caption --max-len' 'caption --max-length' 'caption --no-repeat-ngram' 'caption --avoid' 'caption --require' 'caption --groups' 'caption --diversity' 'caption --temperature' 'caption --top-k' 'caption --top-p' 'caption --corpus' 'caption --regions-file' 'caption --split' 'caption --baseline' 'caption --sidecar' 'caption --annotate' 'caption --batch-size' 'caption --cnn-weights' 'caption --cache-dir' 'caption --device' 'caption --threads' 'caption --seed'
            return 0
        case 'retrieve -m' 'retrieve --model' 'retrieve --top' 'retrieve --image' 'retrieve --sentences' 'retrieve --corpus' 'retrieve --regions-file' 'retrieve --split' 'retrieve --folds' 'retrieve --format' 'retrieve -o' 'retrieve --output' 'retrieve --cnn-weights' 'retrieve --cache-dir' 'retrieve --device' 'retrieve --threads'
            return 0
        case 'evaluate --references' 'evaluate --split' 'evaluate --metric' 'evaluate --document-frequencies' 'evaluate --boxes' 'evaluate --folds' 'evaluate --compare' 'evaluate --baseline' 'evaluate --fail-under' 'evaluate --samples' 'evaluate --seed' 'evaluate --per-image'
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

complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a prep -d 'Prepare a corpus: read captions, check photographs, assign splits, build the vocabulary'
complete -c vsa -n '__vsa_in prep' -l images -x -a '(__vsa_files folder)' -d 'Folder of the photographs; tars are unpacked into it.'
complete -c vsa -n '__vsa_in prep' -s o -l output -x -a '(__vsa_files file)' -d 'Corpus file to write.'
complete -c vsa -n '__vsa_in prep' -l captions-format -x -a 'auto karpathy coco flickr imagefolder list csv text sidecar webdataset' -d 'Format of the caption files (default: detected).'
complete -c vsa -n '__vsa_in prep' -l splits -x -a '(__vsa_files text)' -d 'List of the images of a split, one per line; repeatable (default: lists beside a Flickr token file).'
complete -c vsa -n '__vsa_in prep' -l split -x -a 'train tune val test all' -d 'Split of the images whose caption file names none.'
complete -c vsa -n '__vsa_in prep' -l tune -x -d 'Move the last N train images to tune.'
complete -c vsa -n '__vsa_in prep' -l val -x -d 'Move N random train images to val.'
complete -c vsa -n '__vsa_in prep' -l test -x -d 'Move N random train images to test.'
complete -c vsa -n '__vsa_in prep' -l min-count -x -d 'Keep words that occur at least N times in train.'
complete -c vsa -n '__vsa_in prep' -l unknown -x -a 'drop unk' -d 'Rarer words: drop them from the sentences (as in the paper), or replace each by UNK.'
complete -c vsa -n '__vsa_in prep' -l characters -d 'Make each letter of a script without spaces (Chinese, Thai ...) a word.'
complete -c vsa -n '__vsa_in prep' -l restval -x -a 'train drop' -d 'Images in the restval split of Karpathy\'s COCO file: add them to train, or drop them.'
complete -c vsa -n '__vsa_in prep' -l strict -d 'Write nothing if any input fails.'
complete -c vsa -n '__vsa_in prep' -l report -x -a '(__vsa_files file)' -d 'Write every problem to FILE as JSON Lines.'
complete -c vsa -n '__vsa_in prep' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in prep' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in prep' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in prep' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in prep' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in prep' -l dry-run -d 'Print what would be done, and stop.'
complete -c vsa -n '__vsa_in prep' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at prep 0 -' -a '(__vsa_files sentences)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a extract-regions -d 'Find regions in photographs and compute CNN features of each'
complete -c vsa -n '__vsa_in extract-regions' -s o -l output -x -a '(__vsa_files file)' -d 'Output file.'
complete -c vsa -n '__vsa_in extract-regions' -l split -x -a 'train tune val test all' -d 'Split of the corpus: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in extract-regions' -l images -x -a '(__vsa_files folder)' -d 'Folder of the photographs, if they have moved.'
complete -c vsa -n '__vsa_in extract-regions' -l detector -x -a 'selective-search fasterrcnn boxes grid' -d 'Source of the boxes.'
complete -c vsa -n '__vsa_in extract-regions' -l top -x -d 'Boxes to keep besides the whole image.'
complete -c vsa -n '__vsa_in extract-regions' -l boxes -x -a '(__vsa_files boxes)' -d 'Boxes for --detector boxes: JSON, image id or file to [[x1,y1,x2,y2]].'
complete -c vsa -n '__vsa_in extract-regions' -l detector-weights -x -a '(__vsa_files weights)' -d 'Weight file (.pth) for --detector fasterrcnn.'
complete -c vsa -n '__vsa_in extract-regions' -l cnn -x -a 'efficientnet_lite2 efficientnet_lite0 alexnet vgg16' -d 'CNN: efficientnet_lite0 or _lite2, alexnet, vgg16, resnet50 ...'
complete -c vsa -n '__vsa_in extract-regions' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth); the EfficientNet-Lite networks need none.'
complete -c vsa -n '__vsa_in extract-regions' -l describe -x -a 'crop roi' -d 'CNN features of a box: pooled from one feature map (roi), or of the box warped to the CNN\'s input (crop).'
complete -c vsa -n '__vsa_in extract-regions' -l side -x -d 'Shorter side of the CNN\'s input; 0 is 320 for roi, the CNN\'s own for crop.'
complete -c vsa -n '__vsa_in extract-regions' -l photo-side -x -d 'Reduce photographs with a longer shorter side to this one; 0 is the median of the photographs.'
complete -c vsa -n '__vsa_in extract-regions' -l device -x -a 'auto cpu cuda mps' -d 'Device: auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in extract-regions' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in extract-regions' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in extract-regions' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in extract-regions' -l resume -d 'Resume an interrupted run.'
complete -c vsa -n '__vsa_in extract-regions' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in extract-regions' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in extract-regions' -l dry-run -d 'Print what would be done, and stop.'
complete -c vsa -n '__vsa_in extract-regions' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at extract-regions 0' -a '(__vsa_files corpus folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a train-embed -d 'Train the alignment model, which embeds regions and words in one space'
complete -c vsa -n '__vsa_in train-embed' -s o -l output -x -a '(__vsa_files file)' -d 'Model directory to write.'
complete -c vsa -n '__vsa_in train-embed' -l preset -x -a 'paper best' -d 'Settings to start from: as in the paper, or with the best results.'
complete -c vsa -n '__vsa_in train-embed' -l split -x -a 'train tune val test all' -d 'Split to train on.'
complete -c vsa -n '__vsa_in train-embed' -l validate -x -a 'auto train tune val test none' -d 'Split that selects the best epoch: auto takes tune, or else val; none trains for all epochs.'
complete -c vsa -n '__vsa_in train-embed' -l epochs -x -d 'Maximum passes over the sentences.'
complete -c vsa -n '__vsa_in train-embed' -l patience -x -d 'Stop after this many epochs without a better validation.'
complete -c vsa -n '__vsa_in train-embed' -l keep-last -d 'Train for all epochs and keep the last; implied by --validate none.'
complete -c vsa -n '__vsa_in train-embed' -l learning-rate -x -d 'Initial learning rate; cosine decay to zero.'
complete -c vsa -n '__vsa_in train-embed' -l weight-decay -x -d 'Weight decay (L2 regularisation).'
complete -c vsa -n '__vsa_in train-embed' -l batch-size -x -d 'Image-sentence pairs per step.'
complete -c vsa -n '__vsa_in train-embed' -l loss -x -a 'hinge contrastive' -d 'Hinge ranking loss (the paper\'s), or a softmax over the batch, both ways.'
complete -c vsa -n '__vsa_in train-embed' -l temperature -x -d 'Temperature of the contrastive loss.'
complete -c vsa -n '__vsa_in train-embed' -l encoder -x -a 'brnn gru' -d 'Sentence encoder: the paper\'s bidirectional ReLU network, or a bidirectional GRU.'
complete -c vsa -n '__vsa_in train-embed' -l size -x -d 'Size of the embedding space.'
complete -c vsa -n '__vsa_in train-embed' -l hidden-size -x -d 'Hidden units of the sentence encoder, per direction.'
complete -c vsa -n '__vsa_in train-embed' -l whole-weight -x -d 'Share of the score that compares the whole sentence with the whole image.'
complete -c vsa -n '__vsa_in train-embed' -l dropout -x -d 'Dropout on all non-recurrent layers.'
complete -c vsa -n '__vsa_in train-embed' -l word-dropout -x -d 'Share of words dropped during training.'
complete -c vsa -n '__vsa_in train-embed' -l word-vectors -x -a '(__vsa_files vectors)' -d 'Pretrained word vectors to start from: word2vec (.bin or .txt) or GloVe.'
complete -c vsa -n '__vsa_in train-embed' -l fixed-words -l tuned-words -d 'Freeze the pretrained word vectors (as in the paper) or fine-tune them.'
complete -c vsa -n '__vsa_in train-embed' -l sweep -d 'Select learning rate and weight decay by successive halving, then train with the best.'
complete -c vsa -n '__vsa_in train-embed' -l sweep-rates -x -d 'Learning rates to try (default: four around --learning-rate).'
complete -c vsa -n '__vsa_in train-embed' -l sweep-decays -x -d 'Weight decays to try with each rate (default: three around --weight-decay).'
complete -c vsa -n '__vsa_in train-embed' -l device -x -a 'auto cpu cuda mps' -d 'Device: auto, cpu, cuda, cuda:N or mps.'
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
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a align -d 'Assign each word of a sentence to the region of its photograph that it describes'
complete -c vsa -n '__vsa_in align' -s m -l model -x -a '(__vsa_files -m embedding)' -d 'Alignment model (default: the bundled model).'
complete -c vsa -n '__vsa_in align' -l beta -x -d 'Weight β of the MRF\'s pairwise term; 0 assigns each word independently. 1 suits --evidence contained, 0.05 own.'
complete -c vsa -n '__vsa_in align' -l evidence -x -a 'contained own' -d 'Score of a region: its own, as in the paper, or with the evidence of the regions inside it.'
complete -c vsa -n '__vsa_in align' -l corpus -x -a '(__vsa_files corpus)' -d 'Corpus whose sentences are aligned.'
complete -c vsa -n '__vsa_in align' -l regions-file -x -a '(__vsa_files regions)' -d 'regions.h5 of the --corpus.'
complete -c vsa -n '__vsa_in align' -l split -x -a 'train tune val test all' -d 'Split to align: train, tune, val, test or all (default: train).'
complete -c vsa -n '__vsa_in align' -l scores -x -a '(__vsa_files file)' -d 'File for the score of each word for each region.'
complete -c vsa -n '__vsa_in align' -l words -x -a '(__vsa_files file)' -d 'File for the visual importance of each word.'
complete -c vsa -n '__vsa_in align' -l html-limit -x -d 'Number of photographs on the --html pages (default: all).'
complete -c vsa -n '__vsa_in align' -s o -l output -x -a '(__vsa_files file)' -d 'Output file (default: stdout, or snippets.jsonl with --corpus).'
complete -c vsa -n '__vsa_in align' -l html -x -a '(__vsa_files folder)' -d 'Folder for pages with photographs, boxes and coloured words.'
complete -c vsa -n '__vsa_in align' -l json -d 'Print JSON.'
complete -c vsa -n '__vsa_in align' -l strict -d 'Fail if the model does not know a word, instead of leaving it out.'
complete -c vsa -n '__vsa_in align' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth); the EfficientNet-Lite networks need none.'
complete -c vsa -n '__vsa_in align' -l cache-dir -x -a '(__vsa_files folder)' -d 'Feature cache; ~/.cache/vsa by default.'
complete -c vsa -n '__vsa_in align' -l no-cache -d 'Do not use the feature cache.'
complete -c vsa -n '__vsa_in align' -l device -x -a 'auto cpu cuda mps' -d 'Device: auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in align' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in align' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in align' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in align' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at align 0' -a '(__vsa_files photo)'
complete -c vsa -n '__vsa_at align 1 -' -a '(__vsa_files text)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a train-gen -d 'Train the sentence generator on images and their sentences'
complete -c vsa -n '__vsa_in train-gen' -s o -l output -x -a '(__vsa_files file)' -d 'Model directory to write.'
complete -c vsa -n '__vsa_in train-gen' -l preset -x -a 'paper best' -d 'Settings to start from: as in the paper, or with the best results (default: best).'
complete -c vsa -n '__vsa_in train-gen' -l split -x -a 'train tune val test all' -d 'Split to train on.'
complete -c vsa -n '__vsa_in train-gen' -l validate -x -a 'auto train tune val test none' -d 'Split that selects the best epoch: auto takes tune, or else val; none trains for all epochs.'
complete -c vsa -n '__vsa_in train-gen' -l snippets -x -a '(__vsa_files snippets)' -d 'Train on regions and their snippets, written by vsa align --split all.'
complete -c vsa -n '__vsa_in train-gen' -l self-critical -x -a '(__vsa_files -m generator)' -d 'Continue from this trained generator and maximise CIDEr.'
complete -c vsa -n '__vsa_in train-gen' -l epochs -x -d 'Maximum passes over the sentences.'
complete -c vsa -n '__vsa_in train-gen' -l patience -x -d 'Stop after this many epochs without a better validation.'
complete -c vsa -n '__vsa_in train-gen' -l keep-last -d 'Train for all epochs and keep the last; implied by --validate none.'
complete -c vsa -n '__vsa_in train-gen' -l learning-rate -x -d 'Initial learning rate; cosine decay to zero.'
complete -c vsa -n '__vsa_in train-gen' -l batch-size -x -d 'Sentences per step, or images with --self-critical.'
complete -c vsa -n '__vsa_in train-gen' -l label-smoothing -x -d 'Label smoothing: share of each target spread over all words.'
complete -c vsa -n '__vsa_in train-gen' -l cell -x -a 'rnn gru lstm' -d 'Recurrent cell; rnn is the paper\'s ReLU network.'
complete -c vsa -n '__vsa_in train-gen' -l attention -x -d 'Attention heads over the regions; 0 sees only the whole image.'
complete -c vsa -n '__vsa_in train-gen' -l word-size -x -d 'Size of the word vectors.'
complete -c vsa -n '__vsa_in train-gen' -l hidden-size -x -d 'Hidden units of the recurrent cell.'
complete -c vsa -n '__vsa_in train-gen' -l dropout -x -d 'Dropout on all non-recurrent layers.'
complete -c vsa -n '__vsa_in train-gen' -l device -x -a 'auto cpu cuda mps' -d 'Device: auto, cpu, cuda, cuda:N or mps.'
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
complete -c vsa -n '__vsa_in caption' -s m -l model -x -a '(__vsa_files -m generator)' -d 'Trained generator (default: the bundled one).'
complete -c vsa -n '__vsa_in caption' -l beam -x -d 'Beam size; 1 is greedy decoding.'
complete -c vsa -n '__vsa_in caption' -l nbest -x -d 'Captions for each photograph, best first.'
complete -c vsa -n '__vsa_in caption' -l format -x -a 'text json jsonl coco csv html' -d 'Output format (default: text).'
complete -c vsa -n '__vsa_in caption' -l json -d 'Same as --format json.'
complete -c vsa -n '__vsa_in caption' -s o -l output -x -a '(__vsa_files file)' -d 'Output file instead of stdout; a folder for html.'
complete -c vsa -n '__vsa_in caption' -l region-captions -d 'Caption regions of each photograph too, with boxes.'
complete -c vsa -n '__vsa_in caption' -l min-logprob -x -d 'Drop region captions whose mean log-probability per word is lower, in nats.'
complete -c vsa -n '__vsa_in caption' -l top-regions -x -d 'Region captions kept, most confident first.'
complete -c vsa -n '__vsa_in caption' -l length-norm -x -d 'Rank captions by log p / length^ALPHA (default: set by the model).'
complete -c vsa -n '__vsa_in caption' -l min-len -x -d 'Minimum words.'
complete -c vsa -n '__vsa_in caption' -l max-len -l max-length -x -d 'Maximum words.'
complete -c vsa -n '__vsa_in caption' -l no-repeat-ngram -x -d 'Allow no N-gram twice in a caption; 0 allows any.'
complete -c vsa -n '__vsa_in caption' -l avoid -x -d 'Word that no caption contains; repeatable.'
complete -c vsa -n '__vsa_in caption' -l require -x -d 'Word that every caption contains; repeatable, up to 5 times.'
complete -c vsa -n '__vsa_in caption' -l groups -x -d 'Diverse beam search: split the beam into G groups.'
complete -c vsa -n '__vsa_in caption' -l diversity -x -d 'With --groups: penalty for a word that earlier groups chose at this position, in nats.'
complete -c vsa -n '__vsa_in caption' -l sample -d 'Sample captions instead of searching; implied by --temperature, --top-k and --top-p.'
complete -c vsa -n '__vsa_in caption' -l temperature -x -d 'Sampling temperature: below 1 sharper, above 1 more random.'
complete -c vsa -n '__vsa_in caption' -l top-k -x -d 'Sample from the K most likely words; 0 is all.'
complete -c vsa -n '__vsa_in caption' -l top-p -x -d 'Nucleus sampling: from the smallest set of most likely words with total probability P; 1 is all.'
complete -c vsa -n '__vsa_in caption' -l corpus -x -a '(__vsa_files corpus)' -d 'Corpus of which a split is captioned, instead of photographs.'
complete -c vsa -n '__vsa_in caption' -l regions-file -x -a '(__vsa_files regions)' -d 'The regions.h5 of --corpus.'
complete -c vsa -n '__vsa_in caption' -l split -x -a 'train tune val test all' -d 'Split of --corpus: train, tune, val (default), test or all.'
complete -c vsa -n '__vsa_in caption' -l baseline -x -a 'nearest-neighbour' -d 'Caption without a model: with a sentence of the most similar image in the train split of --corpus.'
complete -c vsa -n '__vsa_in caption' -l sidecar -x -a '.txt' -d 'Text file beside each photograph: with .txt, photo.txt for photo.jpg.'
complete -c vsa -n '__vsa_in caption' -l annotate -x -a '(__vsa_files folder)' -d 'Folder for copies with captions and boxes drawn on them; later runs over folders skip it.'
complete -c vsa -n '__vsa_in caption' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in caption' -l resume -d 'Resume an interrupted run.'
complete -c vsa -n '__vsa_in caption' -s 0 -l null -d 'Names of a list on stdin end with NUL, as from find -print0.'
complete -c vsa -n '__vsa_in caption' -l batch-size -x -d 'Photographs per batch.'
complete -c vsa -n '__vsa_in caption' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth); the EfficientNet-Lite networks need none.'
complete -c vsa -n '__vsa_in caption' -l cache-dir -x -a '(__vsa_files folder)' -d 'Feature cache; ~/.cache/vsa by default.'
complete -c vsa -n '__vsa_in caption' -l no-cache -d 'Do not use the feature cache.'
complete -c vsa -n '__vsa_in caption' -l device -x -a 'auto cpu cuda mps' -d 'Device: auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in caption' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in caption' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in caption' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in caption' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at caption 0 -' -a '(__vsa_files photo folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a retrieve -d 'Find photographs by a sentence, or sentences by a photograph'
complete -c vsa -n '__vsa_in retrieve' -s m -l model -x -a '(__vsa_files -m embedding)' -d 'Alignment model (default: the bundled model).'
complete -c vsa -n '__vsa_in retrieve' -l top -x -d 'Number of results.'
complete -c vsa -n '__vsa_in retrieve' -l explain -d 'Show the best box of each word.'
complete -c vsa -n '__vsa_in retrieve' -l image -x -a '(__vsa_files photo)' -d 'Photograph to rank --sentences for.'
complete -c vsa -n '__vsa_in retrieve' -l sentences -x -a '(__vsa_files text)' -d 'Text file, one sentence per line.'
complete -c vsa -n '__vsa_in retrieve' -l corpus -x -a '(__vsa_files corpus)' -d 'Corpus whose images and sentences are ranked for each other.'
complete -c vsa -n '__vsa_in retrieve' -l regions-file -x -a '(__vsa_files regions)' -d 'regions.h5 of the --corpus.'
complete -c vsa -n '__vsa_in retrieve' -l split -x -a 'train tune val test all' -d 'Split to rank: train, tune, val, test or all (default: val).'
complete -c vsa -n '__vsa_in retrieve' -l folds -x -d 'Parts of the split, each searched alone.'
complete -c vsa -n '__vsa_in retrieve' -l format -x -a 'text json jsonl html' -d 'Output format (default: text).'
complete -c vsa -n '__vsa_in retrieve' -l json -d 'Short for --format json.'
complete -c vsa -n '__vsa_in retrieve' -l strict -d 'Fail if the model does not know a word, instead of leaving it out.'
complete -c vsa -n '__vsa_in retrieve' -s 0 -l null -d 'Names of a list on stdin end with NUL, as from find -print0.'
complete -c vsa -n '__vsa_in retrieve' -s o -l output -x -a '(__vsa_files file)' -d 'Output file, or folder of pages with --format html (default: stdout).'
complete -c vsa -n '__vsa_in retrieve' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth); the EfficientNet-Lite networks need none.'
complete -c vsa -n '__vsa_in retrieve' -l cache-dir -x -a '(__vsa_files folder)' -d 'Feature cache; ~/.cache/vsa by default.'
complete -c vsa -n '__vsa_in retrieve' -l no-cache -d 'Do not use the feature cache.'
complete -c vsa -n '__vsa_in retrieve' -l device -x -a 'auto cpu cuda mps' -d 'Device: auto, cpu, cuda, cuda:N or mps.'
complete -c vsa -n '__vsa_in retrieve' -l threads -x -d 'CPU threads; 0 uses every core.'
complete -c vsa -n '__vsa_in retrieve' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in retrieve' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in retrieve' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at retrieve 1 -' -a '(__vsa_files photo folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a evaluate -d 'Score captions, rankings or alignments'
complete -c vsa -n '__vsa_in evaluate' -l references -x -a '(__vsa_files sentences)' -d 'Reference sentences: corpus.json, COCO captions, Flickr token file, CSV, TSV or JSON Lines.'
complete -c vsa -n '__vsa_in evaluate' -l split -x -a 'train tune val test all' -d 'Split to score: train, tune, val, test or all (default: the split that the captions belong to).'
complete -c vsa -n '__vsa_in evaluate' -l metric -x -a 'BLEU METEOR ROUGE-L CIDEr' -d 'Metric to compute; may be repeated (default: all that can be computed).'
complete -c vsa -n '__vsa_in evaluate' -l strict -d 'Fail if ids do not match, or captions are missing, empty or duplicated.'
complete -c vsa -n '__vsa_in evaluate' -l document-frequencies -x -a '(__vsa_files file)' -d 'Document frequencies for CIDEr: read from FILE, or written to it if it does not exist.'
complete -c vsa -n '__vsa_in evaluate' -l boxes -x -a '(__vsa_files boxes)' -d 'True boxes of phrases for alignments: Flickr30k Entities as JSON Lines, plain or gzipped.'
complete -c vsa -n '__vsa_in evaluate' -l folds -x -d 'Number of folds that the rankings must have; metrics are averaged over the folds.'
complete -c vsa -n '__vsa_in evaluate' -l compare -x -a '(__vsa_files results)' -d 'Instead of FILE: report the changes from OLD to NEW, with paired bootstrap confidence.'
complete -c vsa -n '__vsa_in evaluate' -l baseline -x -a '(__vsa_files results)' -d 'Report the changes from the scores in FILE, saved with --json.'
complete -c vsa -n '__vsa_in evaluate' -l fail-under -x -d 'Exit with code 5 if the metric is lower; may be repeated. VALUE may be relative to --baseline or OLD, as in CIDEr=baseline-0.01.'
complete -c vsa -n '__vsa_in evaluate' -l samples -x -d 'Number of bootstrap resamplings for confidence intervals.'
complete -c vsa -n '__vsa_in evaluate' -l seed -x -d 'Random seed.'
complete -c vsa -n '__vsa_in evaluate' -l per-image -x -a '(__vsa_files file)' -d 'Write the scores of each image (or query, or phrase) to FILE, as JSON Lines.'
complete -c vsa -n '__vsa_in evaluate' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in evaluate' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in evaluate' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in evaluate' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at evaluate 0' -a '(__vsa_files results)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Show what an artifact is, how it was made, and from what'
complete -c vsa -n '__vsa_in info' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in info' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at info 0' -a '(__vsa_files model corpus regions lines)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a convert -d 'Convert regions.h5 to the file formats of other programs, and back'
complete -c vsa -n '__vsa_in convert' -s o -l output -x -a '(__vsa_files file)' -d 'Output: a .tsv, a folder, or a regions.h5.'
complete -c vsa -n '__vsa_in convert' -l split -x -a 'train tune val test all' -d 'Split to convert: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in convert' -l cnn -x -a 'efficientnet_lite2 efficientnet_lite0 alexnet vgg16' -d 'Name for the network that computed imported descriptors.'
complete -c vsa -n '__vsa_in convert' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in convert' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in convert' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in convert' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at convert 0' -a '(__vsa_files regions features)'
complete -c vsa -n '__vsa_at convert 1' -a '(__vsa_files corpus)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a pack -d 'Write a trained model in float16, without its training state, to share it'
complete -c vsa -n '__vsa_in pack' -s o -l output -x -a '(__vsa_files file)' -d 'Model directory to write.'
complete -c vsa -n '__vsa_in pack' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in pack' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in pack' -s h -l help -d 'Show the help and exit.'
complete -c vsa -n '__vsa_at pack 0' -a '(__vsa_files -m model)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a doctor -d 'Check the installation and measure captioning speed'
complete -c vsa -n '__vsa_in doctor' -l cache-dir -x -a '(__vsa_files folder)' -d 'Feature cache; ~/.cache/vsa by default.'
complete -c vsa -n '__vsa_in doctor' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in doctor' -s h -l help -d 'Show the help and exit.'
